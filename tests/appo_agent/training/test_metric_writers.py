"""Where figures go: event files on this machine, and services that are stood in for here."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from appo_agent.commands.main import main
from appo_agent.errors import ConfigError, RunError
from appo_agent.training import metric_writers
from appo_agent.training.metric_writers import TensorBoardWriter, check_writers, open_writers, require_writers
from appo_agent.training.run_dir import RunDir


class _Service(ModuleType):
    """Stands in for the packages wandb and trackio."""

    class Error(Exception):
        pass

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[dict[str, float], int]] = []
        self.finished = 0

    def init(self, **settings: Any) -> "_Service":
        print("chatter")
        self.begun.append(settings)
        return self

    def log(self, figures: dict[str, float], step: int) -> None:
        self.logged.append((figures, step))

    def finish(self) -> None:
        print("chatter")
        self.finished += 1


@pytest.fixture(params=["wandb", "trackio"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> _Service:
    made = _Service(request.param)
    monkeypatch.setitem(sys.modules, request.param, made)
    monkeypatch.setattr(metric_writers, "find_spec", lambda name: object())
    return made


def test_tensorboard_has_numbers_and_forgets_steps_that_are_written_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    directory = RunDir(tmp_path)
    first = TensorBoardWriter(directory, {})
    for step in (1, 2, 3):
        first.write(step, {"reward": float(step)})
    first.close()
    resumed = TensorBoardWriter(directory, {})
    resumed.rewind(1)
    resumed.write(2, {"reward": 20.0})
    resumed.close()
    events = EventAccumulator(str(directory.tensorboard))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("reward")] == [(1, 1.0), (2, 20.0)]


def test_tensorboard_writes_nothing_before_the_first_step(tmp_path: Path) -> None:
    TensorBoardWriter(RunDir(tmp_path), {}).close()
    assert list(tmp_path.iterdir()) == []


def test_an_event_file_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    directory = RunDir(tmp_path)
    writer = TensorBoardWriter(directory, {})
    directory.tensorboard.write_text("no folder")
    with pytest.raises(RunError, match="cannot write .*tensorboard"):
        writer.write(1, {"reward": 1.0})
    writer.close()


def test_a_service_gets_name_settings_and_figures(
    tmp_path: Path, service: _Service, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "mine"
    run.mkdir()
    (writer,) = open_writers([service.__name__], RunDir(run), {"seed": 3})
    writer.rewind(0)
    writer.write(1, {"train/reward": 0.5})
    writer.close()
    (begun,) = service.begun
    assert begun["project"] == "appo-gym" and begun["config"] == {"seed": 3} and begun["resume"] == "allow"
    assert begun["name"].startswith("mine")
    assert service.logged == [({"train/reward": 0.5}, 1)] and service.finished == 1
    assert capsys.readouterr() == ("", "chatter\nchatter\n")


def test_a_resumed_run_goes_on_with_its_own_page_and_no_other_run_does(tmp_path: Path, service: _Service) -> None:
    for name in ("a/run", "a/run", "b/run"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        open_writers([service.__name__], RunDir(tmp_path / name), {})
    ids = [(begun["name"], begun.get("id")) for begun in service.begun]
    assert ids[0] == ids[1] != ids[2]


def test_a_service_that_refuses_is_a_setting_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _Service("wandb")

    def refuse(**_: object) -> None:
        raise made.Error("no key")

    made.init = refuse  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "wandb", made)
    monkeypatch.setattr(metric_writers, "find_spec", lambda name: object())
    with pytest.raises(ConfigError, match="wandb does not start: no key"):
        open_writers(["wandb"], RunDir(tmp_path), {})


def test_unknown_and_repeated_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'wandb'"):
        check_writers(["wandbb"])
    with pytest.raises(ConfigError, match="each writer once"):
        check_writers(["wandb", "wandb"])


def test_a_package_that_is_missing_names_its_extra_and_no_run_is_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(metric_writers, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"trackio is not installed; install it with `pip install 'appo-gym\[trackio\]'`"
    ):
        require_writers(["trackio"])
    assert main(["train", "quick", "--run-dir", str(tmp_path / "run"), "--log-to", "wandb"]) == 2
    assert "wandb is not installed" in capsys.readouterr().err and not (tmp_path / "run").exists()
    assert main(["train", "quick", "--run-dir", str(tmp_path / "run"), "--log-to", "neptun"]) == 2
    assert "no writer 'neptun'" in capsys.readouterr().err
