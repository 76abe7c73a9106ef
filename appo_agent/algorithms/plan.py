"""Which rollouts a prompt gets: how many are independent, how many branch, and by what rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Criterion = Literal[
    "branching_score",
    "entropy",
    "weighted_sum",
    "omega",
    "abs_log_omega",
    "random",
    "position",
    "tool_boundary",
]
ColdStart = Literal["entropy", "lagged"]
Rule = Literal["strict", "product"]


@dataclass(frozen=True)
class RolloutPlan:
    """The rollouts of one prompt: M = N + L * S * B (section 2)."""

    rollouts: int = 16
    """M, all rollouts of a prompt, branches included, at least 1."""
    initial: int = 4
    """N, independent rollouts, 1 to M. Equal to M: nothing branches."""
    branches: int = 3
    """B, branches a source rollout in each loop, at least 1."""
    loops: int = 1
    """L, rounds of branching, at least 1; later rounds may branch from branches."""
    criterion: Criterion = "branching_score"
    """What ranks the tokens of a source."""
    rule: Rule = "strict"
    """"strict": only tokens with Z(H) > 0 and Z(Omega) > 0 compete, then by Z(H) among Z(H) > 0. "product": the plain
    product, in which two negatives also win."""
    omega_clip: tuple[float, float] = (0.8, 1.2)
    """Range of Omega in the score (eq. 5), 0 < low <= 1 <= high."""
    cold_start: ColdStart = "entropy"
    """What the score is while Omega is noise: "entropy" Z(H); "lagged" takes the weights before the last update as
    pi_old, for the score alone."""

    def __post_init__(self) -> None:
        for name in ("rollouts", "initial", "branches", "loops"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.initial > self.rollouts:
            raise ValueError(f"initial ({self.initial}) cannot exceed rollouts ({self.rollouts})")
        for name, choices in (("criterion", Criterion), ("rule", Rule), ("cold_start", ColdStart)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}")
        low, high = self.omega_clip
        if not 0 < low <= 1 <= high:
            raise ValueError(f"omega_clip must satisfy 0 < low <= 1 <= high, got {self.omega_clip}")
        grown, each = self.rollouts - self.initial, self.loops * self.branches
        if grown % each:
            raise ValueError(
                f"{self.rollouts} rollouts with {self.initial} initial leave {grown} branches, which {self.loops} "
                f"loops of {self.branches} branches a source cannot share evenly; M = N + L*S*B needs a whole S"
            )
        if self.sources > self.initial:
            raise ValueError(
                f"{self.sources} sources a loop, but only {self.initial} rollouts exist when the first loop starts; "
                "raise initial, branches or loops, or lower rollouts"
            )

    @property
    def sources(self) -> int:
        """S, rollouts that branch in each loop; 0: nothing branches."""
        return (self.rollouts - self.initial) // (self.loops * self.branches)
