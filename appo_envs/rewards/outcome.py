"""What a reward is, and what it may depend on.

Owns the values; formulas are in `parts.py` and `published.py`, the score of an answer comes from `appo_envs.grading`.
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
        truncated: a limit on turns, calls or the model's tokens ended the episode.
        tools_used: names of the tools that gave at least one result.
        turns: the model took, at least 0.
        calls: the environment made for it, at least 0.
        characters: the model wrote in all its turns, at least 0.
    """

    format_ok: bool
    score: float
    truncated: bool
    tools_used: frozenset[str]
    turns: int = 0
    calls: int = 0
    characters: int = 0


Reward = Callable[[Outcome], float]
"""The value of an outcome. A function of it and nothing else, so that equal outcomes are worth the same."""
