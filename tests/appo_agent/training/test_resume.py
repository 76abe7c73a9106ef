"""A run that stops at any point and goes on ends with the same bytes as one that never stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from appo_agent.errors import CheckpointError
from appo_agent.training.build import build_agent
from appo_agent.training.config import TrainConfig
from appo_agent.training.interrupt import StopRequest, stop_on_signal
from appo_agent.training.metrics import MetricsLog
from appo_agent.training.progress import RunProgress
from appo_agent.training.run import Interrupted, TrainingRun
from appo_agent.training.run_dir import RunDir
from tests.appo_agent.training.conftest import small_config


class StopAfter(StopRequest):
    """Asks to stop the n-th time that it is asked."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left == 0


COLD_START_STEPS = 70
"""Enough that some rollouts are well-formed: without differing rewards no weight would move."""


def resumable_config() -> TrainConfig:
    config = small_config()
    return replace(config, cold_start=replace(config.cold_start, steps=COLD_START_STEPS))


def training_run(config: TrainConfig, directory: RunDir, stop: StopRequest) -> TrainingRun:
    log = MetricsLog(directory.metrics)
    return TrainingRun(config, build_agent(config), directory, log, RunProgress(quiet=True), stop)


def finish(config: TrainConfig, path: Path, stops: list[int]) -> RunDir:
    """Run to the end, stopping at each of the given counts of optimizer steps and resuming in a new process's place."""
    directory = RunDir.create(path)
    for number, times in enumerate([*stops, 0]):
        run = training_run(config, directory, StopAfter(times))
        if number:
            run.resume()
        if times:
            with pytest.raises(Interrupted):
                run.execute()
        else:
            run.execute()
    return directory


def metrics(directory: RunDir) -> list[dict]:
    rows = [json.loads(line) for line in directory.metrics.read_text().splitlines()]
    return [{name: value for name, value in row.items() if not name.startswith("seconds/")} for row in rows]


def policy(directory: RunDir) -> bytes:
    return (directory.policy / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return finish(resumable_config(), tmp_path_factory.mktemp("whole") / "run", [])


@pytest.mark.parametrize(
    "stops",
    [[7], [COLD_START_STEPS + 1], [COLD_START_STEPS + 3], [3, 30, COLD_START_STEPS - 33 + 2]],
    ids=["in the cold start", "between checkpoints", "in the last steps", "three times"],
)
def test_a_resumed_run_equals_one_that_never_stopped(stops: list[int], whole: RunDir, tmp_path: Path) -> None:
    resumed = finish(resumable_config(), tmp_path / "run", stops)
    assert policy(resumed) == policy(whole)
    assert metrics(resumed) == metrics(whole) and len(metrics(whole)) == 4
    assert all(row["update/gradient_norm"] > 0 for row in metrics(whole)), "no weight moved: the test shows nothing"
    final = [sorted(path.name for path in run.checkpoints.iterdir()) for run in (resumed, whole)]
    assert final[0][-1] == final[1][-1] == "step_000004"


def test_metrics_beyond_the_checkpoint_and_a_torn_line_are_written_again(whole: RunDir, tmp_path: Path) -> None:
    directory = RunDir.create(tmp_path / "run")
    first = training_run(resumable_config(), directory, StopAfter(COLD_START_STEPS + 2))
    with pytest.raises(Interrupted):
        first.execute()
    kept = metrics(directory)
    with directory.metrics.open("a") as stream:
        stream.write(json.dumps({"step": 3, "train/reward": 99.0}) + '\n{"step": 4, "tra')
    again = training_run(resumable_config(), directory, StopRequest())
    again.resume()
    again.execute()
    assert metrics(directory) == metrics(whole) and metrics(directory)[: len(kept)] == kept


def test_a_truncated_checkpoint_is_refused_and_an_older_one_named(whole: RunDir, tmp_path: Path) -> None:
    directory = finish(resumable_config(), tmp_path / "run", [])
    newest = directory.checkpoint(4) / "tensors.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    run = training_run(resumable_config(), directory, StopRequest())
    with pytest.raises(CheckpointError, match="expected .* bytes, found .*step_000002 is intact"):
        run.resume()


def test_a_refused_update_stops_the_run_and_leaves_a_dump(tmp_path: Path) -> None:
    from appo_agent.errors import NonFiniteError

    directory = RunDir.create(tmp_path / "run")
    run = training_run(resumable_config(), directory, StopAfter(COLD_START_STEPS + 1))
    with pytest.raises(Interrupted):
        run.execute()
    run.stop = StopRequest()
    before = {name: value.clone() for name, value in run.agent.learner.weights().items()}
    score = run.agent.learner._forward

    def poisoned(batch):
        scores = score(batch)
        return scores._replace(logprobs=scores.logprobs * float("nan"))

    run.agent.learner._forward = poisoned  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(NonFiniteError, match="nothing was applied"):
        run.execute()
    assert all(torch.equal(before[name], value) for name, value in run.agent.learner.weights().items())
    assert (directory.path / "refused").is_dir()


def test_the_first_signal_asks_and_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signal() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop and stop.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_terminated_process_leaves_a_checkpoint_that_resumes(tmp_path: Path) -> None:
    path = tmp_path / "run"
    program = [sys.executable, "-c", "from appo_agent.commands.main import main; raise SystemExit(main())", "train"]
    settings = ["quick", "--run-dir", str(path), "--cold-start.steps", "400", "--token-budget", "100"]
    process = subprocess.Popen([*program, *settings], stderr=subprocess.PIPE, text=True)
    for _ in range(300):
        if (path / "phases.log").exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and f"appo train --resume {path}" in said
    directory = RunDir.open(path)
    [checkpoint] = directory.checkpoints.iterdir()
    steps = json.loads((checkpoint / "state.json").read_text())["cold_start_steps"]
    assert 0 < steps < 400


def test_other_settings_are_not_part_of_the_result(whole: RunDir, tmp_path: Path) -> None:
    # How often a checkpoint is written must not change what is learned.
    seldom = finish(replace(resumable_config(), checkpoint_every=3, record_every=4), tmp_path / "run", [])
    assert policy(seldom) == policy(whole)
