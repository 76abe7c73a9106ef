"""What one call of a Python session gives back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunResult:
    """What one piece of code did.

    The texts are what the session says about itself: code in it can make them say anything, so rewards must
    be computed from them as from any other text of the model. `seconds` and `state_kept` are measured
    outside.

    Attributes:
        stdout: standard output and error, in the order written, cut to the limit.
        value: repr of the trailing expression; None when there is none or it is None.
        error: a traceback that shows the code's own lines only, None when the code ended well.
        seconds: wall time of the call, with the way there and back.
        state_kept: False when the session's process ended and its variables and files are gone, so that the
            next call starts afresh.
    """

    stdout: str
    value: str | None
    error: str | None
    seconds: float
    state_kept: bool
