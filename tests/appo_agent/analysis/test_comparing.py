"""Tests of differences: values worked by hand, brute force and scipy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from appo_agent.analysis.statistics import (
    holm,
    paired_permutation,
    paired_power,
    pairs_for_power,
    pass_at_k,
    probability_of_improvement,
)


def test_pass_at_k_by_hand() -> None:
    assert pass_at_k(1, 4, 1) == 0.25
    assert pass_at_k(1, 4, 2) == 0.5
    assert pass_at_k(3, 4, 2) == 1.0
    assert pass_at_k(0, 4, 4) == 0.0


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_success(outcomes: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(outcomes)))
    subsets = list(itertools.combinations(outcomes, k))
    expected = sum(map(any, subsets)) / len(subsets)
    assert math.isclose(pass_at_k(sum(outcomes), len(outcomes), k), expected)


@pytest.mark.parametrize("arguments", [(0, 0, 1), (3, 2, 1), (-1, 2, 1), (1, 2, 3), (1, 2, 0)])
def test_pass_at_k_refuses_what_makes_no_sense(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="need 0 <= successes"):
        pass_at_k(*arguments)


@given(st.lists(st.integers(-4, 4), min_size=2, max_size=9))
def test_the_permutation_test_is_that_of_scipy(differences: list[int]) -> None:
    def total(x: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(x.sum(axis=axis))

    expected = stats.permutation_test(
        (differences,), total, permutation_type="samples", alternative="greater", n_resamples=10_000
    ).pvalue
    assert math.isclose(paired_permutation(differences, seed=0), expected)


def test_random_sign_changes_come_near_all_of_them() -> None:
    # 40 differences of +1 among 100 of size 1: the sum is 20 with 60 up and 40 down, a binomial tail.
    differences = [1.0] * 60 + [-1.0] * 40
    expected = stats.binomtest(60, 100).pvalue
    assert paired_permutation(differences, seed=1) == pytest.approx(expected, abs=0.01)
    assert paired_permutation([1.0] * 200, seed=1) == 1 / 10_000


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_makes_a_value_smaller_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(new >= old or new == 1 for new, old in zip(adjusted, p_values, strict=True))
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [new for _, new in ranked] == sorted(new for _, new in ranked)


def test_pairs_for_power_are_those_of_the_tables() -> None:
    # Cohen's effect sizes of .5, .8 and 1 at 80% power: 34, 15 and 10 pairs.
    assert [pairs_for_power(effect, 1.0) for effect in (0.5, 0.8, 1.0)] == [34, 15, 10]
    assert pairs_for_power(0.04, 0.08) == pairs_for_power(0.5, 1.0)
    with pytest.raises(ValueError, match="too few"):
        pairs_for_power(0.001, 1.0, most=100)


def test_power_is_how_often_the_t_test_finds_the_difference() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0.5, 1.0, (4000, 20))
    _, p_values = stats.ttest_1samp(samples, 0, axis=1)
    assert paired_power(20, 0.5, 1.0) == pytest.approx(np.mean(np.asarray(p_values) < 0.05), abs=0.03)
    assert paired_power(20, 0.0, 1.0, alpha=0.1) == pytest.approx(0.1)


@pytest.mark.parametrize("deviation", np.geomspace(1e-4, 10.0, 40))
@pytest.mark.parametrize("n", [2, 3, 7, 200])
def test_power_is_a_probability_however_small_the_deviation(n: int, deviation: float) -> None:
    assert 0.05 <= paired_power(n, 0.04, deviation) <= 1
    if deviation < 3e-4 and n > 2:
        assert paired_power(n, 0.04, deviation) == pytest.approx(1)


def test_probability_of_improvement_counts_ties_half() -> None:
    assert probability_of_improvement([0.1, -0.1, 0.0, 0.2]) == 0.625
    with pytest.raises(ValueError, match="one dimension"):
        probability_of_improvement([])
