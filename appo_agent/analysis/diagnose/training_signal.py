"""Omega against the noise floor over a run: whether branch points were chosen by signal or by rounding.

Owns the reading of a run's metrics for this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from appo_agent.training.metrics import MetricsRow

_SPREAD = re.compile(r"future/log_omega_std_(\d+)")


class OmegaSignal(NamedTuple):
    """A training step.

    Attributes:
        step: its number.
        spreads: standard deviation of log Omega by mini-batch; the first is that of unmoved weights.
        cold: share of the sources whose row was cold, in [0, 1]; None where nothing branched.
    """

    step: int
    spreads: tuple[float, ...]
    cold: float | None


def omega_signal(rows: Sequence[MetricsRow]) -> list[OmegaSignal]:
    """One entry a step that tells of Omega."""
    found = []
    for row in rows:
        spreads = {
            int(match[1]): float(value) for name, value in row.figures.items() if (match := _SPREAD.fullmatch(name))
        }
        if spreads:
            cold = row.figures.get("branching/cold_fraction")
            found.append(
                OmegaSignal(
                    row.step, tuple(spreads[place] for place in sorted(spreads)), None if cold is None else float(cold)
                )
            )
    return found
