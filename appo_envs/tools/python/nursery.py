"""What a process needs of its supervisor in order to fork: the interface between the two."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager
from typing import Protocol

from .handles import ProcessHandle
from .sandbox.packets import Pair
from .sandbox.wire import Furnished
from .system import System


class Nursery(Protocol):
    """What the supervisor does for the processes that came from its template.

    Attributes:
        live: the process ids of known sessions, with a handle of each.
        ends: why the supervisor ended a process, by its id.
    """

    live: dict[int, ProcessHandle]
    ends: dict[int, str]

    @property
    def system(self) -> System:
        """The operating system's ways."""
        ...

    def new_scratch(self, parent: str) -> str:
        """The path of a new folder for a fork of the session in folder `parent`; empty where /tmp is private."""
        ...

    def permit(self, pid: int, count: int) -> AbstractContextManager[None]:
        """While open, process `pid` may fork `count` times."""
        ...

    def hold(self, pid: int, channel: socket.socket) -> ProcessHandle:
        """A handle of a process that just greeted on `channel`; OSError if it has ended."""
        ...

    def furnish(self, process: ProcessHandle, stacked: int, channels: Pair) -> Furnished | None:
        """Give a fork its private surroundings and its own channel; where /tmp is not private, return None at once.

        Args:
            process: the fork.
            stacked: how many /tmp lie over each other in its parent.
            channels: our end of the channel that it greeted on, the fork's end of its own.
        """
        ...

    def sweep(self, parent: int) -> None:
        """Kill the children of a process, and orphans, that are no known sessions."""
        ...
