from pathlib import Path

import pytest

from appo_agent.analysis.compare.outcome import CurvePoint, read_outcome, spent_and_curve, write_outcome
from appo_agent.errors import RunError
from appo_agent.training.metrics import MetricsRow

from .synthetic import outcome

ROWS = [
    MetricsRow(
        1,
        {
            "tokens/generated": 100.0,
            "tokens/wasted": 30.0,
            "rollouts/drawn": 8.0,
            "tools/total": 16.0,
            "train/updates": 2.0,
            "branching/branches": 4.0,
            "branching/duplicates": 1.0,
            "advantage/groups_without_signal": 0.5,
            "seconds/generate": 1.0,
            "seconds/update": 0.5,
            "seconds/step": 9.0,
            "seconds/tool_call": 0.1,
        },
    ),
    MetricsRow(
        2,
        {
            "tokens/generated": 50.0,
            "rollouts/drawn": 4.0,
            "train/updates": 2.0,
            "tools/total": 6.0,
            "advantage/groups_without_signal": float("nan"),
            "validation/success": 0.25,
            "seconds/generate": 2.0,
        },
    ),
]


def test_steps_are_added_up() -> None:
    spent, curve = spent_and_curve(ROWS, cpu_seconds=7.0)
    assert (spent.tokens, spent.wasted_tokens, spent.steps, spent.updates) == (150.0, 30.0, 2, 4.0)
    assert (spent.rollouts, spent.tool_calls, spent.branches, spent.duplicate_branches) == (12.0, 22.0, 4.0, 1.0)
    assert spent.unspent_branches == 0.0
    assert spent.groups_without_signal == 0.25
    # The step holds its phases and an evaluation, and a call lies within a phase: neither is a phase.
    assert spent.phase_seconds == {"generate": 3.0, "update": 0.5}
    assert spent.cpu_seconds == 7.0
    assert curve == (CurvePoint(0.25, 150.0, 12.0, 4.0, 22.0, 3.5),)


def test_a_run_without_steps_spent_nothing() -> None:
    spent, curve = spent_and_curve([], 1.0)
    assert (spent.tokens, spent.steps, spent.groups_without_signal, curve) == (0.0, 0, 0.0, ())


def test_an_outcome_is_read_back_as_it_was(tmp_path: Path) -> None:
    write_outcome(tmp_path / "outcome.json", outcome(0.7))
    assert read_outcome(tmp_path / "outcome.json") == outcome(0.7)
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"before": 1}'])
def test_a_damaged_outcome_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "outcome.json"
    path.write_text(text)
    with pytest.raises(RunError, match="delete it to run the cell again"):
        read_outcome(path)
