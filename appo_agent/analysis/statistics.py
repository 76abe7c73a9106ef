"""Intervals around measured figures: the one place for statistics.

Owns formulas only; which figure is measured and over what is said by the caller.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """A confidence interval, both ends included, in the unit of the figure."""

    low: float
    high: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a success probability.

    centre = (p + z^2/2n) / (1 + z^2/n), half width = z/(1 + z^2/n) * sqrt(p(1-p)/n + z^2/4n^2), with
    p = successes/n and z the normal quantile of (1 + confidence)/2. Unlike p +- z * standard error it stays
    in [0, 1] and does not shrink to a point at 0 or n successes.

    Args:
        successes: in [0, n].
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


def _checked(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    return confidence
