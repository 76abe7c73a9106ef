"""Scores of answers that are words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.grading import exact_match, f1


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
        ("the", "a", 1.0),
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
