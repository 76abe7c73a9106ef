"""The kinds of failure that the environments tell apart.

A tool that fails says so to the model (`ToolError`). An environment that breaks ends one episode
(`EnvError`). A wrong argument or a wrong order of calls is the caller's bug: `ValueError`, `TypeError` or
gymnasium's own errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ToolError(Exception):
    """A tool cannot do what it was asked to; the message is text for the model.

    Raised by tools, caught by the environment, which shows the message as the call's result. Keep it short,
    and say what the model can do better.
    """


class EnvError(RuntimeError):
    """The environment broke in the middle of an episode, and no action of the model could have prevented it.

    The episode is lost; another `reset` may work.
    """


class SandboxError(EnvError):
    """A sandbox did not start, died or lost its state."""


class TaskError(ValueError):
    """A task id names nothing in its source, or a task source is malformed."""


class ForkError(RuntimeError):
    """An environment cannot be forked, snapshotted or restored, or a fork was found to be wrong."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest known one, or all of them."""
    names = list(known)
    nearest = get_close_matches(name, names, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(map(repr, names))}"
