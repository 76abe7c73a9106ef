"""What sessions need of the operating system, where systems differ: the one seam between Linux and the rest.

Owns the choice, and why a system is refused. Everything else of sessions, forks and snapshots is the same
everywhere; the sandbox's side of the seam is `sandbox.packets` and `sandbox.lifetime`.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .clones import CloneGuard
from .errors import IsolationError, SandboxError
from .handles import DescribedProcess, GroupedProcess, ProcessHandle
from .sandbox.isolation import features
from .sandbox.isolation.features import FeatureReport
from .sandbox.packets import Pair, framed_pair, packet_pair
from .sandbox.settings import LINUX, NONE, PythonSettings


class Guard(Protocol):
    """Who approves the processes and threads of sessions, in a thread of the supervisor's."""

    def watch(self, listener: int) -> None:
        """Answer for a session from now on, and for its forks; the descriptor is taken over."""
        ...

    def permit(self, pid: int, count: int) -> contextlib.AbstractContextManager[None]:
        """While open, the main thread of process `pid` may fork `count` times."""
        ...

    def answer_until_stopped(self, seconds: float) -> bool:
        """Answer questions for about this many seconds; False when `stop` was called."""
        ...

    def stop(self) -> None:
        """End `answer_until_stopped` in the thread that is in it."""
        ...

    def close(self) -> None:
        """Give the descriptors back."""
        ...


class Unguarded:
    """Approves nothing and refuses nothing, where the kernel does not ask."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def watch(self, listener: int) -> None:
        """Never called: no session has a listener here.

        Raises:
            SandboxError: always.
        """
        raise SandboxError(f"a session without isolation sent a listener, descriptor {listener}")

    def permit(self, pid: int, count: int) -> contextlib.AbstractContextManager[None]:
        """Process `pid` may fork at any time."""
        return contextlib.nullcontext()

    def answer_until_stopped(self, seconds: float) -> bool:
        """Wait; False when `stop` was called."""
        return not self._stopped.wait(seconds)

    def stop(self) -> None:
        """End the waiting."""
        self._stopped.set()

    def close(self) -> None:
        """There is nothing to give back."""


@dataclass(frozen=True)
class System:
    """One way of doing what systems do differently.

    Attributes:
        channel_pair: a connected pair of sockets that carry packets.
        hold: a handle of a process; takes its id, the process group of its template and our end of its
            channel, and raises OSError if it has ended.
        guard: who approves new processes and threads, of which a session may have this many.
        tells_memory: whether the memory of another process can be asked for.
    """

    channel_pair: Callable[[], Pair]
    hold: Callable[[int, int, socket.socket], ProcessHandle]
    guard: Callable[[int], Guard]
    tells_memory: bool


_LINUX = System(packet_pair, lambda pid, group, channel: DescribedProcess(pid), CloneGuard, True)
_POSIX = System(framed_pair, GroupedProcess, lambda threads: Unguarded(), False)


def system_for(settings: PythonSettings) -> System:
    """The ways that `settings.system` names.

    Raises:
        IsolationError: isolation is asked for, which needs Linux.
        SandboxError: the settings ask for what this system does not offer.
    """
    if settings.system == LINUX:
        if sys.platform != "linux":
            raise SandboxError(f"PythonSettings(system={LINUX!r}) needs Linux, this is {sys.platform}: leave it out")
        return _LINUX
    if settings.isolation != NONE:
        names = ", ".join(features.MEANING)
        raise IsolationError(
            f"model-written code is not run here: {_missing()}, and so none of {names} can be had. Use a Linux "
            "machine or container, or choose isolation='none' for code that you trust."
        )
    if settings.total_memory_mb is not None:
        raise SandboxError(
            f"PythonSettings(total_memory_mb={settings.total_memory_mb}) cannot be kept to: only Linux tells what "
            "memory other processes use and share. Leave it out; Limits.memory_mb bounds each session where the "
            "system honours it"
        )
    return _POSIX


def absent_features() -> tuple[FeatureReport, ...]:
    """The report where isolation cannot be had at all."""
    return tuple(FeatureReport(name, False, _missing()) for name in features.MEANING)


def _missing() -> str:
    where = "Linux, used as any POSIX system" if sys.platform == "linux" else sys.platform
    return f"isolation needs the Linux kernel, this is {where}"
