"""A folder is there whole or not at all."""

import errno
from pathlib import Path

import pytest
import torch

from appo_agent.errors import RunError
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig
from appo_agent.policies.pretrained.loading import load_pretrained
from appo_agent.policies.pretrained.settings import PretrainedConfig
from appo_agent.training.run_dir import RunDir
from appo_agent.whole_folder import put_back, write_whole
from tests.appo_agent.policies.little_models import little_folder


def _whole(folder: Path) -> None:
    (folder / "config.json").write_text("whole")


def _new(folder: Path) -> None:
    (folder / "config.json").write_text("new")


def _full(folder: Path) -> None:
    (folder / "config.json").write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    write_whole(folder, _whole)
    with pytest.raises(RunError, match=r"policy: .*No space left on device; what was there before is unchanged"):
        write_whole(folder, _full)
    assert (folder / "config.json").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_a_full_disk_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No space left on device$"):
        write_whole(tmp_path / "runs" / "policy", _full)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_new_folder_replaces_the_old_one_with_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    write_whole(folder, _whole)
    write_whole(folder, lambda place: (place / "other").touch())
    assert [path.name for path in folder.iterdir()] == ["other"]
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


class _Crash(BaseException):
    """The process ends here: nothing below may run, as after a SIGKILL."""


def _crash_between_the_renames(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def last_one_crashes(source: Path, target: Path) -> Path:
        if target == folder:
            raise _Crash
        return rename(source, target)

    with monkeypatch.context() as patched, pytest.raises(_Crash):
        patched.setattr(Path, "rename", last_one_crashes)
        write_whole(folder, _new)
    assert not folder.exists()


def test_after_a_crash_between_the_two_renames_the_older_folder_is_put_back_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "policy"
    write_whole(folder, _whole)
    _crash_between_the_renames(folder, monkeypatch)
    assert put_back(folder)
    assert (folder / "config.json").read_text() == "whole"
    assert not put_back(folder)
    assert not put_back(Path("."))


def test_a_full_disk_after_a_crash_between_the_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "policy"
    write_whole(folder, _whole)
    _crash_between_the_renames(folder, monkeypatch)
    with pytest.raises(RunError):
        write_whole(folder, _full)
    assert put_back(folder)
    write_whole(folder, _new)
    assert (folder / "config.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_a_reader_that_puts_the_older_folder_back_meanwhile_does_not_stop_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "policy"
    write_whole(folder, _whole)
    rename, readers = Path.rename, 0

    def with_a_reader(source: Path, target: Path) -> Path:
        nonlocal readers
        moved = rename(source, target)
        if source == folder and not readers:
            readers += put_back(folder)
        return moved

    monkeypatch.setattr(Path, "rename", with_a_reader)
    write_whole(folder, _new)
    assert readers == 1
    assert (folder / "config.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_opening_a_run_puts_its_policy_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").touch()
    write_whole(tmp_path / "policy", _whole)
    _crash_between_the_renames(tmp_path / "policy", monkeypatch)
    assert (RunDir.open(tmp_path).policy / "config.json").read_text() == "whole"


def test_a_model_that_a_crash_moved_aside_is_loaded(tmp_path: Path) -> None:
    folder = little_folder(tmp_path / "model")
    folder.rename(tmp_path / ".model.replaced")
    settings = PretrainedConfig(dtype="float32", checkpoint_layers=False)
    assert load_pretrained(str(folder), settings).model is not None


def test_a_policy_stays_loadable_when_writing_its_successor_fails(tmp_path: Path) -> None:
    settings = PretrainedConfig(dtype="float32", checkpoint_layers=False)
    loaded = load_pretrained(str(little_folder(tmp_path / "model")), settings)

    def save(folder: Path) -> None:
        loaded.model.save(folder)
        loaded.tokenizer.save(str(folder))
        if fails:
            raise OSError(errno.ENOSPC, "No space left on device")

    fails, folder = False, tmp_path / "policy"
    learner = InProcessLearner(loaded.model, OptimizerConfig(), temperature=1.0, save=save)
    learner.save_policy(folder)
    before = {name: value.clone() for name, value in learner.weights().items()}
    with torch.no_grad():
        for value in learner.weights().values():
            value.add_(1.0)
    fails = True
    with pytest.raises(RunError, match="is unchanged"):
        learner.save_policy(folder)
    again = load_pretrained(str(folder), settings).model.full_weights()
    assert all(torch.equal(again[name], value) for name, value in before.items())
