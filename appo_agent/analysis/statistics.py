"""Intervals around measured figures, and tests of differences: the one place for statistics.

Owns formulas only; which figure is measured and over what is said by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

EXACT_UP_TO = 16
"""Pairs that differ, up to which all sign changes are enumerated."""


class Interval(NamedTuple):
    """A confidence interval, both ends included, in the unit of the figure."""

    low: float
    high: float


def wilson_interval(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a success probability.

    centre = (p + z^2/2n) / (1 + z^2/n), half width = z/(1 + z^2/n) * sqrt(p(1-p)/n + z^2/4n^2), with
    p = successes/n and z the normal quantile of (1 + confidence)/2. Unlike p +- z * standard error it stays
    in [0, 1] and does not shrink to a point at 0 or n successes.

    Of the mean of other scores in [0, 1] it is a cautious interval: it holds every mean m that the scores do not speak
    against if their variance is m(1-m), the largest that such scores can have (R. Bhatia and C. Davis, "A better bound
    on the variance", American Mathematical Monthly 107, 2000).

    Args:
        successes: in [0, n]; a sum of n scores in [0, 1].
        n: trials, at least 1.
        confidence: in (0, 1).

    Returns:
        The interval, within [0, 1].

    Raises:
        ValueError: an argument is out of range.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"need n >= 1 and 0 <= successes <= n, got {successes} successes of {n}")
    z = NormalDist().inv_cdf((1 + _checked(confidence)) / 2)
    share, spread = successes / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    # At 0 and n successes the exact ends are 0 and 1; rounding would miss them.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def bootstrap_interval(values: ArrayLike, seed: int, confidence: float = 0.95, resamples: int = 9999) -> Interval:
    """Bias-corrected and accelerated (BCa) bootstrap interval of a mean.

    Args:
        values: (n,) independent measurements, finite, n >= 2.
        seed: of the resampling; the same seed gives the same interval.
        confidence: in (0, 1).
        resamples: bootstrap samples, at least 1.

    Returns:
        The interval of the mean; a point when all values are equal.

    Raises:
        ValueError: fewer than two values, another shape, values that are not finite, or confidence out of
            range.

    Source: B. Efron, "Better bootstrap confidence intervals", 1987.
    """
    # scipy.stats takes half a second to import, and evaluations only need the Wilson interval.
    from scipy.stats import bootstrap

    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) < 2 or not np.all(np.isfinite(sample)):
        raise ValueError(f"need at least two finite values in one dimension, got {sample!r}")
    _checked(confidence)
    if np.all(sample == sample[0]):
        # BCa is undefined without spread.
        return Interval(float(sample[0]), float(sample[0]))
    result = bootstrap(
        (sample,),
        np.mean,
        n_resamples=resamples,
        # All resamples at once would be gigabytes for long samples.
        batch=max(1, 10_000_000 // len(sample)),
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
    )
    return Interval(float(result.confidence_interval.low), float(result.confidence_interval.high))


def pass_at_k(successes: int, n: int, k: int) -> float:
    """Unbiased probability that at least one of k draws without replacement from n samples succeeds.

    1 - C(n - c, k) / C(n, k).

    Args:
        successes: c, in [0, n].
        n: samples of the item.
        k: in [1, n].

    Raises:
        ValueError: an argument is out of range.

    Source: Chen et al., "Evaluating large language models trained on code", 2021, equation 1.
    """
    if not 0 <= successes <= n or not 1 <= k <= n:
        raise ValueError(f"need 0 <= successes <= n and 1 <= k <= n, got {successes} of {n} with k {k}")
    return 1.0 - math.comb(n - successes, k) / math.comb(n, k)


def paired_permutation(differences: ArrayLike, seed: int, resamples: int = 9999) -> float:
    """Two-sided p of "the mean difference is zero", by changing signs of the pairs' differences.

    All sign changes where at most `EXACT_UP_TO` differences are not zero; otherwise random ones, with the observed one
    counted among them, so that p is never 0.

    Args:
        differences: (n,) one for each item, finite.
        seed: of the random sign changes.
        resamples: their number, at least 1.

    Raises:
        ValueError: no differences, another shape, or values that are not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(f"need finite differences in one dimension, got {values!r:.200}")
    moving = values[values != 0]
    # Rounding must not make a sign change that repeats the observed one look smaller.
    observed = abs(moving.sum()) * (1 - 1e-12)
    if len(moving) <= EXACT_UP_TO:
        bits = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        sums = (1 - 2 * bits) @ moving
        return float(np.mean(np.abs(sums) >= observed))
    rng = np.random.default_rng(seed)
    extreme, left = 1, resamples
    while left:
        count = min(left, max(1, 4_000_000 // len(moving)))
        signs = rng.integers(0, 2, (count, len(moving)), dtype=np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ moving) >= observed))
        left -= count
    return extreme / (resamples + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p values, in the order given.

    The i-th smallest of m is multiplied by m - i + 1, then made no smaller than those before it, then cut at 1.

    Raises:
        ValueError: a value is outside [0, 1].

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p values must be in [0, 1], got {p_values}")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return tuple(adjusted)


def paired_power(n: int, difference: float, deviation: float, alpha: float = 0.05) -> float:
    """Probability that a two-sided paired t test of n pairs finds a true mean difference.

    Args:
        n: pairs, at least 2.
        difference: the true mean difference.
        deviation: standard deviation of the pairs' differences, above 0.
        alpha: level of the test, in (0, 1).

    Raises:
        ValueError: an argument is out of range.

    Source: the noncentral t distribution; J. Cohen, "Statistical power analysis", 1988.
    """
    from scipy.stats import nct, t

    if n < 2 or not deviation > 0:
        raise ValueError(f"need n >= 2 and a deviation above 0, got {n} and {deviation}")
    critical = t.ppf(1 - _checked(alpha) / 2, n - 1)
    shift = abs(difference) / deviation * math.sqrt(n)
    # The far tail as the mirrored one: nct.cdf of it is NaN where it is too small to matter.
    return float(nct.sf(critical, n - 1, shift) + nct.sf(critical, n - 1, -shift))


def pairs_for_power(
    difference: float, deviation: float, alpha: float = 0.05, power: float = 0.8, most: int = 10_000
) -> int:
    """The fewest pairs, at least 2, for which `paired_power` reaches `power`.

    Raises:
        ValueError: even `most` pairs are too few, or an argument is out of range.
    """
    _checked(power)
    # Doubling first: far beyond the answer the noncentral distribution has no digits left.
    high = 2
    while paired_power(high, difference, deviation, alpha) < power:
        high *= 2
        if high > most:
            raise ValueError(f"{most:,} pairs are too few to find {difference} at a deviation of {deviation}")
    low = max(2, high // 2)
    while low < high:
        middle = (low + high) // 2
        if paired_power(middle, difference, deviation, alpha) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def probability_of_improvement(differences: ArrayLike) -> float:
    """Share of the pairs that improved; equal ones count half.

    Args:
        differences: (n,) one for each pair, n >= 1.

    Source: Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021, for pairs.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"need differences in one dimension, got {values!r:.200}")
    return float(np.mean((values > 0) + 0.5 * (values == 0)))


def _checked(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    return confidence
