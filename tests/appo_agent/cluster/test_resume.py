"""A run whose learner is spread over ranks goes on with another number of them, or with none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appo_agent.commands.train import run
from appo_agent.errors import CheckpointError
from appo_agent.training.checkpoint import latest_checkpoint, load_checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.slow]
SETTINGS = (
    "quick",
    "--policy.hidden-size=32",
    "--policy.num-hidden-layers=1",
    "--prompts-per-step=4",
    "--plan.rollouts=4",
    "--cold-start.steps=4",
    "--evaluation.episodes=4",
    "--evaluation.validation-episodes=0",
    "--checkpoint-every=1",
    "--json",
)
CLUSTER = (
    "--cluster=local",
    "--cluster.workers=1",
    "--cluster.cpus-per-worker=0.25",
    "--cluster.object-store-mb=80",
)


def figures(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def newest(folder: Path) -> Path:
    found = latest_checkpoint(folder / "checkpoints")
    assert found is not None
    return found


def test_a_run_goes_on_with_two_then_one_then_four_ranks_and_then_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alone, spread = Path("alone"), Path("spread")
    assert run([*SETTINGS, "--max-steps=4", "--run-dir", str(alone)]) == 0
    assert run([*SETTINGS, *CLUSTER, "--max-steps=1", "--run-dir", str(spread), "--cluster.learners=2"]) == 0
    # Each rank wrote a part, and nothing of it went through the driver.
    assert len(list((newest(spread) / "shards").glob("*.distcp"))) == 2
    assert not load_checkpoint(newest(spread), keep_shards=True).tensors
    for steps, ranks in ((2, 1), (3, 4), (4, 0)):
        more = (*CLUSTER, f"--cluster.learners={ranks}", f"--max-steps={steps}", "--json")
        assert run(["--resume", str(spread), *more]) == 0
        assert (newest(spread) / "shards").is_dir() == bool(ranks)
    ours, theirs = figures(spread), figures(alone)
    assert len(ours) == len(theirs) == 4
    for our, their in zip(ours, theirs, strict=True):
        for name in ("tokens/total", "train/reward"):
            assert our[name] == pytest.approx(their[name], abs=1e-3), name
    mine, whole = (load_checkpoint(newest(folder)).tensors for folder in (spread, alone))
    assert mine.keys() == whole.keys()
    for name, value in whole.items():
        assert (mine[name] - value).abs().max() < 1e-4, name


def test_a_part_that_is_damaged_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert run([*SETTINGS, *CLUSTER, "--max-steps=1", "--run-dir", str(folder), "--cluster.learners=2"]) == 0
    part = next(iter((newest(folder) / "shards").glob("*.distcp")))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"shards/.*\.distcp: expected \d+ bytes, found"):
        load_checkpoint(newest(folder))
