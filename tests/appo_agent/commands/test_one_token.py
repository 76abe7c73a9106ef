"""Every algorithm on rollouts of a single token, in groups of equal rewards: nothing to learn, and no crash."""

import json
import math
from pathlib import Path

import pytest

from appo_agent.algorithms.registry import ALGORITHMS
from appo_agent.commands.main import main

SMALL = [
    *("--token-budget", "40", "--prompts-per-step", "2", "--policy.num-hidden-layers", "1", "--cold-start.steps", "0"),
    *("--sampling.max-turn-tokens", "1", "--sampling.max-rollout-tokens", "60", "--evaluation.episodes", "2"),
    *("--evaluation.validation-episodes", "0", "--log-to"),
]


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_rollouts_of_one_token_teach_nothing(name: str, tmp_path: Path) -> None:
    assert main(["train", "quick", "--algorithm", name, *SMALL, "--run-dir", str(tmp_path / "run"), "--json"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    trained = [row for row in rows if "update/gradient_norm" in row]
    assert trained
    for row in trained:
        assert row["tokens/generated"] == row["rollouts/drawn"]
        assert row["update/gradient_norm"] == 0
        assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
