"""Grading by itself: mathematics at length, and the words of answers beside the official script of SQuAD.

Owns its pairs, which are made up here. The grading of real answers is as fast as their texts let it be.
"""

from __future__ import annotations

import collections
import random
import re
import string
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from row import Row

from appo_envs.grading import exact_match, f1, math_equal

ANSWERS, PAIRS, GRADERS = 10_000, 1_000, 2
HOSTILE_EVERY = 100
HOSTILE = (
    "9^{9^{9^9}}",
    "\\boxed{9^{9^{9}}}",
    "(10^{9})!",
    "\\binom{10^9}{10^8}",
    "(" * 200 + "1" + ")" * 200,
    "\\frac{1}{" * 1_000,
)
WORDS = ("The", "an", "a", "cat", "Cat.", "sat", "on", "mat,", "mat", "x-ray", "1,000", "élan", "U.S.")


def rows() -> Iterator[Row]:
    """The rows of the table."""
    yield Row(
        f"{ANSWERS} answers in mathematics, one in {HOSTILE_EVERY} hostile",
        _mathematics(),
        "s",
        "",
        float("nan"),
        "< 60 s on two cores",
    )
    pairs = _word_pairs()
    equal = sum(
        (exact_match(answer, gold), round(f1(answer, gold), 12))
        == (_squad_exact(answer, gold), _squad_f1(answer, gold))
        for answer, gold in pairs
    )
    name = "answers with the F1 and exact match of SQuAD's script"
    yield Row(name, equal, "pairs", f"{PAIRS} pairs", equal / PAIRS, "all of them")


def _mathematics() -> float:
    # A fourth each: plain numbers, fractions beside decimals, expressions in another order, and wrong ones. All differ.
    # Every hundredth is a hostile one instead, of those that take a grader's time or memory if nobody stops them.
    forms = (
        lambda n: (f"{n:,}", str(n)),
        lambda n: (f"\\frac{{{2 * n + 1}}}{{2}}", f"{n}.5"),
        lambda n: (f"{n} + 3x", f"3x + {n}"),
        lambda n: (f"{n}\\sqrt{{2}}", f"{n + 1}\\sqrt{{2}}"),
    )
    pairs = [forms[place % 4](1000 + place) for place in range(ANSWERS)]
    for place in range(3, ANSWERS, HOSTILE_EVERY):
        pairs[place] = (f"{HOSTILE[place // HOSTILE_EVERY % len(HOSTILE)]}+{place}", "3")
    start = time.perf_counter()
    with ThreadPoolExecutor(GRADERS) as pool:
        right = sum(pool.map(lambda pair: math_equal(*pair), pairs))
    seconds = time.perf_counter() - start
    if right != ANSWERS * 3 / 4:
        raise RuntimeError(f"expected {ANSWERS * 3 // 4} right answers, graded {right:.0f} so")
    return seconds


def _word_pairs() -> list[tuple[str, str]]:
    draw = random.Random(0)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, 5)))

    return [(text(), text()) for _ in range(PAIRS)]


def _squad_words(text: str) -> list[str]:
    bare = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def _squad_exact(answer: str, gold: str) -> float:
    return float(_squad_words(answer) == _squad_words(gold))


def _squad_f1(answer: str, gold: str) -> float:
    said, right = _squad_words(answer), _squad_words(gold)
    if not said or not right:
        return float(said == right)
    common = sum((collections.Counter(said) & collections.Counter(right)).values())
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(right)
    return round(2 * precision * recall / (precision + recall), 12)
