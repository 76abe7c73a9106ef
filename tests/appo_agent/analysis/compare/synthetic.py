"""A comparison whose cells are not run but drawn from a known truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from appo_agent.analysis.compare.cells import Cell
from appo_agent.analysis.compare.outcome import CurvePoint, Outcome, Spent
from appo_agent.analysis.compare.spec import CompareSpec, spec_of

TABLE = {
    "name": "toy",
    "preset": "quick",
    "learning_rates": [1e-4, 2e-4],
    "explore_seeds": [1, 2],
    "pilot_seeds": [10, 11, 12],
    "confirm_seeds": list(range(100, 116)),
    "primaries": [["right", "plain"], ["null", "plain"]],
    "pass_samples": 2,
    "environments": {"easy": {"env": "appo/KnowledgeQA-v0"}},
    "arms": {
        "right": {"algorithm": "appo"},
        "null": {"algorithm": "appo", "plan": {"criterion": "random"}},
        "plain": {"algorithm": "grpo"},
        "control": {"algorithm": "grpo", "rate_of": "plain", "plan": {"rollouts": 8}},
    },
}
GAIN = {"right": 0.08, "null": 0.0, "plain": 0.0, "control": -0.02}
"""What each arm is truly better by."""


def toy_spec(**changes: object) -> CompareSpec:
    return spec_of({**TABLE, **changes})


def truth(noise: float = 0.02, gain: dict[str, float] = GAIN) -> Callable[[Sequence[Cell]], list[Outcome]]:
    """A runner: success .5 plus the arm's gain, the luck that the cold start shares, and noise; 2e-4 is the rate."""

    def run(cells: Sequence[Cell]) -> list[Outcome]:
        return [outcome(_success(cell)) for cell in cells]

    def _success(cell: Cell) -> float:
        shared = np.random.default_rng([cell.seed]).normal(0, 0.1)
        own = np.random.default_rng([cell.seed, *cell.arm.encode()]).normal(0, noise)
        return float(0.5 + gain[cell.arm] + shared + own - 0.1 * (cell.rate == 1e-4))

    return run


def outcome(after: float, cpu_seconds: float = 30.0) -> Outcome:
    spent = Spent(
        tokens=100.0,
        wasted_tokens=25.0,
        steps=4,
        updates=8.0,
        rollouts=40.0,
        tool_calls=80.0,
        branches=10.0,
        duplicate_branches=5.0,
        unspent_branches=1.0,
        groups_without_signal=0.5,
        phase_seconds={"generate": 1.0, "update": 2.0},
        cpu_seconds=cpu_seconds,
    )
    curve = (CurvePoint(0.4, 50.0, 20.0, 4.0, 40.0, 1.5), CurvePoint(after, 100.0, 40.0, 8.0, 80.0, 3.0))
    return Outcome(0.3, after, 1024, spent, curve, (after, min(1.0, after + 0.1)))
