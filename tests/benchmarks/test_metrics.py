"""Formulas against values worked by hand and scipy."""

import math
from random import Random

import pytest
from appo_benchmarks.metrics import ballot, majority_score, mcnemar
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats


def test_the_majority_decides_and_a_tie_is_shared() -> None:
    assert majority_score(["a", "b", "a"], [1.0, 0.0, 1.0]) == 1.0
    assert majority_score(["a", "b", "b"], [1.0, 0.0, 0.0]) == 0.0
    assert majority_score(["a", "b"], [1.0, 0.0]) == 0.5


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ("-5", "5", False),
        ("0.5", "1/2", True),
        ("1.5 km", "15 km", False),
        ("1.5 km", "the 1.5 km.", True),
        (r"\text{Paris}", "paris", True),
        ("(A)", "A", True),
        ("A", "the", False),
        ("x + 1", "x+1", True),
        ("x + 1", "x - 1", False),
    ],
)
def test_answers_that_say_the_same_are_one_vote(a: str, b: str, alike: bool) -> None:
    assert (ballot(a, mathematics=False) == ballot(b, mathematics=False)) == alike


def test_no_answer_has_no_vote() -> None:
    assert majority_score(["", "", "a"], [0.0, 0.0, 1.0]) == 1.0
    assert majority_score(["", ""], [0.0, 0.0]) == 0.0


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from([0.0, 0.5, 1.0])), min_size=1),
    st.randoms(),
)
def test_the_majority_does_not_depend_on_order(votes: list[tuple[str, float]], random: Random) -> None:
    mixed = random.sample(votes, len(votes))
    assert majority_score(*zip(*votes, strict=True)) == majority_score(*zip(*mixed, strict=True))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_binomial_test_of_scipy(pairs: list[tuple[bool, bool]]) -> None:
    found = mcnemar([a for a, _ in pairs], [b for _, b in pairs])
    n = found.only_a + found.only_b
    expected = stats.binomtest(found.only_a, n).pvalue if n else 1.0
    assert found.only_a == sum(a and not b for a, b in pairs)
    assert math.isclose(found.p, expected, rel_tol=1e-9)
