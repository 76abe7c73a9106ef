"""From the outcome of an episode to its reward.

Owns the formula; the score of an answer comes from `appo_envs.grading`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an episode ended.

    Attributes:
        format_ok: every turn was well-formed and the last one gave an answer.
        score: of the answer, in [0, 1]; 0 without one.
        truncated: a limit on turns or calls ended the episode.
        tools_used: names of the tools that gave at least one result.
    """

    format_ok: bool
    score: float
    truncated: bool
    tools_used: frozenset[str]


Reward = Callable[[Outcome], float]


@dataclass(frozen=True)
class OutcomeReward:
    """The reward of the ARPO and APPO papers.

    -1 for a broken format, an unfinished episode included; 0 for a well-formed wrong answer; otherwise the
    score, and a bonus when the answer is right and at least two different tools were used.

    Attributes:
        tool_bonus: added when two or more tools were used and the score is 1; at least 0.
        mask_truncated: give 0 instead of -1 when a limit ended the episode.

    Raises:
        ValueError: the bonus is negative.

    Source: the hierarchical reward of ARPO (arXiv 2507.19849), which APPO keeps.
    """

    tool_bonus: float = 0.1
    mask_truncated: bool = False

    def __post_init__(self) -> None:
        if not self.tool_bonus >= 0:
            raise ValueError(f"tool_bonus must be 0 or more, got {self.tool_bonus}")

    def __call__(self, outcome: Outcome) -> float:
        """The reward of an outcome, in [-1, 1 + tool_bonus]."""
        if outcome.truncated and self.mask_truncated:
            return 0.0
        if not outcome.format_ok:
            return -1.0
        bonus = self.tool_bonus if outcome.score >= 1 and len(outcome.tools_used) >= 2 else 0.0
        return outcome.score + bonus
