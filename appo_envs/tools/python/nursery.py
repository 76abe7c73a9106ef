"""What a process needs of its supervisor in order to fork: the interface between the two."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from .sandbox.wire import Furnished


class Nursery(Protocol):
    """What the supervisor does for the processes that came from its template.

    Attributes:
        live: the process ids of known sessions, with a descriptor of each.
        ends: why the supervisor ended a process, by its id.
    """

    live: dict[int, int]
    ends: dict[int, str]

    def new_scratch(self, parent: str) -> str:
        """The path of a new folder for a fork of the session in folder `parent`; empty where /tmp is private."""
        ...

    def permit(self, pid: int, count: int) -> AbstractContextManager[None]:
        """While open, process `pid` may fork `count` times."""
        ...

    def furnish(self, pidfd: int, stacked: int) -> Furnished | None:
        """Give a fork its private surroundings; None where /tmp is not private.

        Args:
            pidfd: descriptor of the fork.
            stacked: how many /tmp lie over each other in its parent.
        """
        ...

    def sweep(self, parent: int) -> None:
        """Kill the children of a process, and orphans, that are no known sessions."""
        ...
