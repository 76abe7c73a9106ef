"""Scores of answers that are words."""

import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.grading import cover_match, exact_match, f1


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("Lo Mir", "Lo Mir", 1),
        ("  lo   mir ", "Lo Mir", 1),
        ("the Lo-Mir.", "LoMir", 1),
        ("The Beatles", "beatles", 1),
        ("Mir Lo", "Lo Mir", 0),
        ("Lo", "Lo Mir", 0),
        ("", "Lo Mir", 0),
        ("theory", "ory", 0),
        ("a.", "A", 1),
        ("", "A", 0),
        ("the", "A", 0),
        ("-", "A", 0),
    ],
)
def test_exact_match(answer: str, gold: str, score: float) -> None:
    assert exact_match(answer, gold) == score


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("Lo Mir", "Lo Mir", 1.0),
        ("Lo", "Lo Mir", 2 / 3),
        ("Lo Lo", "Lo Mir", 0.5),
        ("in the city of Lo Mir", "Lo Mir", 4 / 7),
        ("yes", "no", 0.0),
        ("yes indeed", "yes", 0.0),
        ("", "Lo", 0.0),
        ("the", "a", 0.0),
        ("(A)", "A", 1.0),
    ],
)
def test_f1(answer: str, gold: str, score: float) -> None:
    assert f1(answer, gold) == pytest.approx(score)


@given(st.text(), st.text())
def test_scores_are_in_range_and_symmetric(answer: str, gold: str) -> None:
    for grader in (exact_match, f1):
        assert 0 <= grader(answer, gold) <= 1
        assert grader(answer, gold) == grader(gold, answer)
        assert grader(answer, answer) == 1
    assert f1(answer, gold) >= exact_match(answer, gold)


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("I believe it was the Lo-Mir .", "LoMir", 1),
        ("Lo Mir", "Lo Mir", 1),
        ("Lo", "Lo Mir", 0),
        ("Lo and Mir", "Lo Mir", 0),
        ("I know", "no", 1),
        ("", "Lo Mir", 0),
        ("anything", "The", 0),
        ("the", "The", 1),
    ],
)
def test_cover_match(answer: str, gold: str, score: float) -> None:
    assert cover_match(answer, gold) == score


WORDS = st.lists(st.sampled_from(["yes", "no", "the", "a", "Lo", "lo,", "Mir", "(mir)", "x-y", "U.S.", "noanswer"]))
SENTENCES = st.one_of(st.text(max_size=30), WORDS.map(" ".join))


@given(SENTENCES, SENTENCES)
def test_scores_are_those_of_the_published_scripts(answer: str, gold: str) -> None:
    if _official_normalise(gold):
        assert exact_match(answer, gold) == _official_exact_match(answer, gold)
        assert f1(answer, gold) == pytest.approx(_official_f1(answer, gold))
        assert cover_match(answer, gold) == _official_cover(answer, gold)


def _official_normalise(text: str) -> str:
    # HotpotQA's hotpot_evaluate_v1.py and Search-R1's qa_em.py have the same function.
    without_punctuation = "".join(ch for ch in text.lower() if ch not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", without_punctuation).split())


def _official_exact_match(answer: str, gold: str) -> float:
    return float(_official_normalise(answer) == _official_normalise(gold))


def _official_cover(answer: str, gold: str) -> float:
    return float(_official_normalise(gold) in _official_normalise(answer))


def _official_f1(answer: str, gold: str) -> float:
    answer, gold = _official_normalise(answer), _official_normalise(gold)
    if answer in ("yes", "no", "noanswer") and answer != gold:
        return 0.0
    if gold in ("yes", "no", "noanswer") and answer != gold:
        return 0.0
    answer_words, gold_words = answer.split(), gold.split()
    same = sum((Counter(answer_words) & Counter(gold_words)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(answer_words), same / len(gold_words)
    return 2 * precision * recall / (precision + recall)
