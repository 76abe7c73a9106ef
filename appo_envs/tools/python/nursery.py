"""What a process needs of its supervisor in order to fork: the interface between the two."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from .sandbox.wire import OpenFile


class Nursery(Protocol):
    """What the supervisor does for forks that are being made."""

    live: set[int]

    def new_scratch(self) -> str:
        """The path of a new folder for one session; empty where /tmp is private."""
        ...

    def permit(self, pid: int, count: int) -> AbstractContextManager[None]:
        """While open, process `pid` may fork `count` times."""
        ...

    def furnish(self, pidfd: int) -> list[OpenFile]:
        """Give a fork its private surroundings; return the files that it must open again."""
        ...

    def sweep(self) -> None:
        """Kill every process that is no known session."""
        ...
