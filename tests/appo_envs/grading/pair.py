"""A row of the tables of answers."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """An answer, the gold answer, the score, and why."""

    answer: str
    gold: str
    score: float
    why: str
