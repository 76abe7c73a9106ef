"""The rulers that only benchmarks need: of GAIA, and of short answers that a judge should read.

Other benchmarks are graded by `appo_envs.grading`.
"""

from __future__ import annotations

import re
import string

from appo_benchmarks.metrics import FORMULA_SIGNS, ballot, with_signs_spelled
from appo_envs.grading import exact_match
from appo_envs.grading.mathematics import plain_number
from appo_envs.grading.text import normalise

_DELETE_PUNCTUATION = str.maketrans("", "", string.punctuation)
_UNITS = str.maketrans("", "", "$%,")


def gaia_match(answer: str, gold: str) -> float:
    """1 if the answer is right by the rule of GAIA's leaderboard, else 0.

    A gold number asks for an equal number, without regard to $, % and thousands commas. A gold list, with commas or
    semicolons, asks for as many items, each equal as a number or a text. Other texts are equal but for case, white
    space and punctuation; items of lists keep their punctuation.

    Source: `question_scorer` of the GAIA leaderboard.
    """
    number = _gold_number(gold)
    if number is not None:
        return float(_number(answer) == number)
    if "," in gold or ";" in gold:
        answers, golds = re.split("[,;]", answer), re.split("[,;]", gold)
        return float(len(answers) == len(golds) and all(map(_same_item, answers, golds)))
    return float(_squeezed(answer).translate(_DELETE_PUNCTUATION) == _squeezed(gold).translate(_DELETE_PUNCTUATION))


def short_match(answer: str, gold: str) -> float:
    """1 if the answer is the gold answer in other words of the same kind, else 0.

    A gold number, formula or article, such as the choice A, is compared as votes are (see `metrics.ballot`), another
    text by exact match with the signs of its numbers kept. Differs from exact match by SQuAD, which drops articles,
    signs, points and comparison marks: there 5 is as good as -5, and x<5 as x>5.
    """
    if plain_number(gold.strip("$ ")) is not None or FORMULA_SIGNS & set(gold) or not normalise(gold):
        return float(ballot(answer, mathematics=False) == ballot(gold, mathematics=False))
    return exact_match(with_signs_spelled(answer), with_signs_spelled(gold))


def _same_item(answer: str, gold: str) -> bool:
    number = _gold_number(gold)
    return _squeezed(answer) == _squeezed(gold) if number is None else _number(answer) == number


def _gold_number(text: str) -> float | None:
    # A gold answer with a comma or a unit is a list or a text, whatever the signs that answers may have.
    return _number(text) if not set("$%,") & set(text) else None


def _number(text: str) -> float | None:
    try:
        return float(text.translate(_UNITS))
    except ValueError:
        return None


def _squeezed(text: str) -> str:
    return "".join(text.lower().split())
