"""What a grader is."""

from __future__ import annotations

from collections.abc import Callable

Grader = Callable[[str, str], float]
"""(the model's answer, the gold answer) -> score in [0, 1]. Never raises or hangs, whatever the answer."""
