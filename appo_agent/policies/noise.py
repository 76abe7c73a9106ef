"""Counter-based uniform noise for sampling: the k-th number depends on (seed, k) alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def uniform_noise(seeds: Sequence[int], count: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), shape (len(seeds), count), the same for a seed whatever stands beside it.

    SplitMix64 (Steele, Lea and Flood 2014) evaluated at counters 1..count from each seed: one vectorised expression
    for a whole batch, where a generator object a request would cost more than the forward pass.
    """
    state = np.array([seed & MASK for seed in seeds], dtype=np.uint64)[:, None]
    counters = np.arange(1, count + 1, dtype=np.uint64)[None] * np.uint64(GOLDEN)
    z = state + counters
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
