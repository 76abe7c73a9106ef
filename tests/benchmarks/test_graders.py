"""GAIA's rule on worked answers, and our F1 against the script of HotpotQA."""

import random
import re
import string
from collections import Counter
from fractions import Fraction

import pytest
from appo_benchmarks.graders import gaia_match, short_match

from appo_envs.grading import exact_match, f1


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("17", "17", 1),
        ("$1,000.50", "1000.5", 1),
        ("17 apples", "17", 0),
        ("St. Petersburg", "st petersburg", 1),
        ("sea gull", "Seagull", 1),
        ("b, e", "b,e", 1),
        ("b; e", "b,e", 1),
        ("b", "b,e", 0),
        ("e, b", "b, e", 0),
        ("1, 2.0", "1,2", 1),
        ("1, x", "1,2", 0),
        ("", "x", 0),
    ],
)
def test_answers_of_gaia_are_graded_as_its_leaderboard_does(answer: str, gold: str, score: int) -> None:
    assert gaia_match(answer, gold) == score


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("5", "-5", 0),
        ("-5", "-5", 1),
        ("- 5", "5", 0),
        ("15", "1.5", 0),
        ("1.50", "1.5", 1),
        ("12", "1/2", 0),
        ("0.5", "1/2", 1),
        ("**1,000**", "1000", 1),
        (r"\(1000\).", "$1000$", 1),
        ("x<5", "x>5", 0),
        ("x > 5.", "$x>5$", 1),
        ("x+1", "x-1", 0),
        ("X + 1", "x+1", 1),
        ("15 km", "1.5 km", 0),
        ("1.5 KM!", "1.5 km", 1),
        ("5 °C", "-5 °C", 0),
        ("21", "2-1", 0),
        ("3.30", "3:30", 0),
        ("ac/dc", "AC/DC", 1),
        ("F16", "F-16", 1),
        ("**The** Paris.", "Paris", 1),
        ("A", "A", 1),
        ("(A)", "A", 1),
        ("(B)", "A", 0),
        ("the", "A", 0),
    ],
)
def test_short_answers_keep_the_signs_of_numbers_and_formulas(answer: str, gold: str, score: int) -> None:
    assert short_match(answer, gold) == score


def _official_normal(text: str) -> str:
    text = "".join(sign for sign in text.lower() if sign not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _official_f1(prediction: str, gold: str) -> float:
    # Written after the description of hotpot_evaluate_v1.py, in exact fractions.
    prediction, gold = _official_normal(prediction), _official_normal(gold)
    closed = ("yes", "no", "noanswer")
    if (prediction in closed or gold in closed) and prediction != gold:
        return 0.0
    said, right = prediction.split(), gold.split()
    same = sum((Counter(said) & Counter(right)).values())
    if not same:
        return 0.0
    precision, recall = Fraction(same, len(said)), Fraction(same, len(right))
    return float(2 * precision * recall / (precision + recall))


def test_f1_and_exact_match_are_those_of_hotpotqa_on_a_thousand_pairs() -> None:
    rng = random.Random(0)
    words = ["the", "A", "an", "yes", "No", "noanswer", "moon.", "O'Neill", "1,000", "café", "New", "York", "of", "-"]
    scores = set()
    for _ in range(1000):
        gold = " ".join([rng.choice(["moon", "York", "yes"]), *rng.choices(words, k=rng.randint(0, 4))])
        prediction = " ".join(rng.choices([*words, *gold.split()], k=rng.randint(0, 6)))
        assert f1(prediction, gold) == _official_f1(prediction, gold), (prediction, gold)
        assert exact_match(prediction, gold) == (_official_normal(prediction) == _official_normal(gold))
        scores.add(f1(prediction, gold))
    assert len(scores) > 10
