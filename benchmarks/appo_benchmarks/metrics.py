"""Statistics that only benchmarks need: of repeated answers, and of pairs of binary scores.

Owns formulas; all others are in `appo_agent.analysis.statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from appo_envs.grading.mathematics import plain_number
from appo_envs.grading.text import normalise

FORMULA_SIGNS = frozenset("+*/^=<>|\\{}")


def ballot(answer: str, mathematics: bool) -> str:
    """What an answer votes for; equal texts are equal votes, and the empty one is none.

    Numbers of one value are one vote. Formulas are compared without white space, other texts as `normalise` leaves
    them: it drops signs, without which -5 would be 5, and x + 1 would be x - 1.

    Args:
        answer: of the model.
        mathematics: whether every answer is a formula.
    """
    bare = answer.strip().strip("$").strip()
    number = plain_number(bare)
    if number is not None:
        return str(number)
    squeezed = "".join(bare.split())
    if mathematics or FORMULA_SIGNS & set(bare):
        return squeezed
    return normalise(bare) or squeezed


def majority_score(answers: Sequence[str], scores: Sequence[float]) -> float:
    """Expected score of the most frequent answer, ties broken at random.

    Args:
        answers: of the samples, from `ballot`; "" is no answer and gets no vote.
        scores: of the samples, in [0, 1]; the samples of one answer count with their mean.

    Returns:
        In [0, 1]; 0 without any answer. No order of the samples changes it.

    Raises:
        ValueError: the lengths differ.
    """
    if len(answers) != len(scores):
        raise ValueError(f"answers and scores must be as many, got {len(answers)} and {len(scores)}")
    votes: dict[str, list[float]] = {}
    for answer, score in zip(answers, scores, strict=True):
        if answer:
            votes.setdefault(answer, []).append(score)
    if not votes:
        return 0.0
    most = max(map(len, votes.values()))
    winners = [math.fsum(voted) / len(voted) for voted in votes.values() if len(voted) == most]
    return math.fsum(winners) / len(winners)


class McNemar(NamedTuple):
    """Items on which one of two runs is right.

    Attributes:
        only_a: only the first is right.
        only_b: only the second is.
        p: of the exact two-sided test.
    """

    only_a: int
    only_b: int
    p: float


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> McNemar:
    """Exact McNemar test on the same items.

    p = min(1, 2 P(X <= min(n10, n01))) with X binomial of n10 + n01 trials at one half.

    Raises:
        ValueError: the lengths differ.

    Source: McNemar, 1947; the exact conditional form.
    """
    if len(a) != len(b):
        raise ValueError(f"both runs need the same items, got {len(a)} and {len(b)}")
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(min(only_a, only_b) + 1))
    return McNemar(only_a, only_b, min(1.0, 2 * tail / 2**n))
