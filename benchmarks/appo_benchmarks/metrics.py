"""Statistics that only benchmarks need: of repeated answers, and of pairs of binary scores.

Owns formulas, and which answers are one vote; all others are in `appo_agent.analysis.statistics`.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from typing import NamedTuple

from appo_benchmarks.unwrapping import unwrapped
from appo_envs.grading.mathematics import plain_number
from appo_envs.grading.text import normalise

FORMULA_SIGNS = frozenset("+*/^=<>|\\{}")
_SIGN_OF_NUMBER = re.compile(r"(?<=[0-9])[.:-](?=[0-9])|(?<!\w)-(?=[.0-9])|\A-(?=\s*[.0-9])|\+")
_SPELLED = {".": "point", ":": "colon", "-": "minus", "+": "plus"}


def ballot(answer: str, mathematics: bool) -> str:
    """What an answer votes for; equal texts are equal votes, and the empty one is none.

    Numbers of one value are one vote. Formulas are compared without white space, other texts as `normalise` leaves
    them once the signs of their numbers are spelled (see `with_signs_spelled`).

    Args:
        answer: of the model.
        mathematics: whether every answer is a formula; otherwise markup around it and its case do not matter.
    """
    bare = (answer if mathematics else unwrapped(answer.strip().rstrip(".").lower())).strip().strip("$").strip()
    number = plain_number(bare)
    if number is not None:
        return str(number)
    squeezed = "".join(bare.split())
    if mathematics or FORMULA_SIGNS & set(bare):
        return squeezed
    # Nothing is left of an answer such as (A), which `normalise` takes for an article.
    return normalise(with_signs_spelled(bare)) or squeezed.strip(string.punctuation) or squeezed


def with_signs_spelled(text: str) -> str:
    """The text with the signs and points of its numbers as words, as in minus5 and 1point5.

    `normalise` drops signs: without this -5 km would be 5 km, 1.5 km would be 15 km, and x + 1 would be x - 1.
    """
    return _SIGN_OF_NUMBER.sub(lambda sign: _SPELLED[sign.group()], text)


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
