"""The check of sizes in settings. Comparisons alone let NaN pass, which is neither above nor below anything."""

from __future__ import annotations

import math
from collections.abc import Sequence


def check_finite(settings: object, *, positive: Sequence[str] = (), from_zero: Sequence[str] = ()) -> None:
    """Refuse numbers that are NaN, infinite or too small.

    Args:
        settings: has the numbers as attributes.
        positive: names of those that must be above 0.
        from_zero: names of those that must be 0 or more.

    Raises:
        ValueError: a number is not as it must be; names it.
    """
    for name in positive:
        if not 0 < getattr(settings, name) < math.inf:
            raise ValueError(f"{name} must be positive and finite, got {getattr(settings, name)}")
    for name in from_zero:
        if not 0 <= getattr(settings, name) < math.inf:
            raise ValueError(f"{name} must be 0 or more and finite, got {getattr(settings, name)}")
