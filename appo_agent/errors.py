"""The agent's errors that a person can act on, and the wording of suggestions.

`appo` prints these as one line and exits with 2. Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AppoError(Exception):
    """Base of the errors that tell the person at the keyboard what to do."""


class ConfigError(AppoError, ValueError):
    """A setting is unknown, has the wrong type or contradicts another one."""


class RunError(AppoError):
    """A run directory cannot be created, opened or locked."""


class CheckpointError(AppoError):
    """A checkpoint is missing, damaged or does not fit what it is loaded into."""


class NonFiniteError(AppoError, ArithmeticError):
    """A loss or gradient is not finite; the update was refused and the weights are as before it."""


class RecordError(AppoError, ValueError):
    """A tree record file is damaged or of an unknown version."""


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """A half-sentence that names the nearest candidate.

    Args:
        name: what was given.
        candidates: what would have been right.

    Returns:
        "; did you mean 'x'?", or "" when nothing comes near.
    """
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
