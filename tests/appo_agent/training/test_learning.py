"""Learning is real: success on unseen names rises over fixed seeds."""

from dataclasses import replace
from pathlib import Path

import pytest

from appo_agent.commands.train import load_config
from appo_agent.training.build import build_agent
from appo_agent.training.interrupt import StopRequest
from appo_agent.training.metrics import MetricsLog
from appo_agent.training.progress import RunProgress
from appo_agent.training.run import TrainingRun
from appo_agent.training.run_dir import RunDir


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["appo", "grpo"])
def test_success_on_one_hop_questions_rises_over_two_seeds(algorithm: str, tmp_path: Path) -> None:
    gains = []
    for seed in (0, 1):
        flags = ["--algorithm", algorithm, "--seed", str(seed), "--token-budget", "40000"]
        config = replace(load_config("quick", flags), checkpoint_every=1000)
        directory = RunDir.create(tmp_path / str(seed))
        log = MetricsLog(directory.metrics)
        run = TrainingRun(config, build_agent(config), directory, log, RunProgress(quiet=True), StopRequest())
        position = run.execute()
        assert position.before is not None and position.after is not None
        gains.append(position.after.success - position.before.success)
    assert min(gains) > 0.1, gains
