"""A folder is there whole or not at all."""

import errno
from pathlib import Path

import pytest
import torch

from appo_agent.errors import RunError
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig
from appo_agent.policies.pretrained.loading import load_pretrained
from appo_agent.policies.pretrained.settings import PretrainedConfig
from appo_agent.whole_folder import write_whole
from tests.appo_agent.policies.little_models import little_folder


def _whole(folder: Path) -> None:
    (folder / "config.json").write_text("whole")


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
