"""Intervals against worked values, scipy and their defining properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from appo_agent.analysis.statistics import bootstrap_interval, wilson_interval


def test_wilson_interval_of_8_in_10_matches_the_textbook() -> None:
    # Worked by hand: z = 1.96, centre 0.71674, half width 0.22659.
    assert wilson_interval(8, 10) == pytest.approx((0.49016, 0.94333), abs=2e-5)


def test_wilson_interval_keeps_width_when_nothing_or_everything_succeeds() -> None:
    z_squared = 1.959963984540054**2
    assert wilson_interval(0, 20) == pytest.approx((0.0, z_squared / (20 + z_squared)))
    assert wilson_interval(20, 20) == pytest.approx((20 / (20 + z_squared), 1.0))
    assert wilson_interval(0, 20).low == 0.0
    assert wilson_interval(20, 20).high == 1.0


@given(data=st.data(), n=st.integers(1, 10_000), confidence=st.floats(0.5, 0.999))
def test_wilson_interval_agrees_with_scipy_and_holds_the_share(data: st.DataObject, n: int, confidence: float) -> None:
    successes = data.draw(st.integers(0, n))
    interval = wilson_interval(successes, n, confidence)
    expected = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert interval == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


@pytest.mark.parametrize(("successes", "n", "confidence"), [(1, 0, 0.9), (-1, 3, 0.9), (4, 3, 0.9), (1, 3, 1.0)])
def test_wilson_interval_refuses_impossible_arguments(successes: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="successes|confidence"):
        wilson_interval(successes, n, confidence)


def test_bootstrap_interval_is_near_the_normal_one_for_many_normal_values() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=2_000)
    half = norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    interval = bootstrap_interval(values, seed=1)
    assert interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_bootstrap_interval_is_narrower_at_lower_confidence_and_holds_the_mean() -> None:
    values = np.random.default_rng(0).exponential(size=40)
    wide, narrow = bootstrap_interval(values, 1, 0.99), bootstrap_interval(values, 1, 0.5)
    assert wide.low < narrow.low < values.mean() < narrow.high < wide.high


def test_bootstrap_interval_is_decided_by_its_seed() -> None:
    values = [0.1, 0.5, 0.4, 0.9]
    assert bootstrap_interval(values, 3) == bootstrap_interval(values, 3)
    assert bootstrap_interval(values, 3, resamples=99) != bootstrap_interval(values, 4, resamples=99)


def test_bootstrap_interval_of_equal_values_is_that_value() -> None:
    assert bootstrap_interval([0.25, 0.25, 0.25], seed=0) == (0.25, 0.25)


@pytest.mark.parametrize("values", [[1.0], [[1.0, 2.0]], [1.0, float("nan")]])
def test_bootstrap_interval_refuses_values_without_an_interval(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two finite values"):
        bootstrap_interval(values, seed=0)


def test_bootstrap_interval_refuses_impossible_confidence() -> None:
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_interval([1.0, 2.0], seed=0, confidence=0.0)
