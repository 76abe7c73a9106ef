"""Processes that are only forked from any more: what snapshots hold.

Owns counting who holds a process. The cheapest snapshot of a session is its own process: it stops running
code, and the session goes on in a fork of it.
"""

from __future__ import annotations

import threading
import weakref

from .process import SessionProcess
from .sandbox.settings import PythonSettings


class _Held:
    """A process with the number of its holders; it ends with the last one."""

    def __init__(self, process: SessionProcess) -> None:
        self.process = process
        self.holders = 0
        self.lock = threading.Lock()

    def let_go(self) -> None:
        with self.lock:
            self.holders -= 1
            last = self.holders == 0
        if last:
            self.process.end()


class PythonSnapshot:
    """The state of a session at one moment, immutable; any session with equal settings can be put back to it.

    It holds a process, given back by `close` or when the last reference goes. The empty snapshot, of a
    session in which nothing ran, holds none.
    """

    def __init__(self, settings: PythonSettings, held: _Held | None) -> None:
        self._settings = settings
        self._held = held
        self._let_go = None
        if held is not None:
            with held.lock:
                held.holders += 1
            self._let_go = weakref.finalize(self, held.let_go)

    @classmethod
    def of(cls, settings: PythonSettings, process: SessionProcess) -> PythonSnapshot:
        """A snapshot whose process is `process`, which must run no more code."""
        return cls(settings, _Held(process))

    @property
    def settings(self) -> PythonSettings:
        """The settings of the session that it was taken of."""
        return self._settings

    @property
    def process(self) -> SessionProcess | None:
        """What to fork from; None in the empty snapshot."""
        return None if self._held is None else self._held.process

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._let_go is not None and not self._let_go.alive

    @property
    def shared(self) -> bool:
        """Whether somebody else holds the same process."""
        return self._held is not None and self._held.holders > 1

    def share(self) -> PythonSnapshot:
        """Another handle on the same state."""
        return PythonSnapshot(self._settings, self._held)

    def take(self) -> None:
        """Void this handle without ending its process, which then runs code again; for its last holder."""
        if self._let_go is not None:
            self._let_go.detach()

    def close(self) -> None:
        """Give up this handle; the process ends with its last one."""
        if self._let_go is not None:
            self._let_go()

    def __repr__(self) -> str:
        process = self.process
        state = "empty" if process is None else "closed" if self.closed else f"process {process.identity.pid}"
        return f"PythonSnapshot({state})"
