"""The Python session that callers use: run code, fork, take and restore snapshots.

Owns which process the session's state lives in at a moment. Processes come from `supervisor`; a snapshot's
count of holders is `frozen`'s.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from .errors import SandboxError, SessionClosed
from .forking import ForkFailed, fork_process
from .frozen import PythonSnapshot
from .process import ProcessLost, ProcessRefused, SessionProcess
from .result import RunResult
from .sandbox.packets import ProtocolError
from .sandbox.settings import Limits, PythonSettings, check_seconds
from .sandbox.text import claimed
from .sandbox.wire import Ran
from .supervisor import supervisor_for


class PythonSession:
    """A live Python interpreter in a process of its own, which can be forked with all its state.

    Variables, imports, open generators, closures, random states and the files in its /tmp persist from call
    to call and into forks. The process starts with the first call. A session may be used from several
    threads, one call at a time; it belongs to the process that made it.

    Args:
        settings: isolation, modules and limits; sessions with equal settings share one template process.
    """

    def __init__(self, settings: PythonSettings | None = None) -> None:
        self.settings = PythonSettings() if settings is None else settings
        self._lock = threading.RLock()
        self._closed = False
        # The state is in `_process`, where code runs, or else in `_base`, to be forked, or else it is empty.
        self._process: SessionProcess | None = None
        self._base: PythonSnapshot | None = None

    @property
    def threads_lost(self) -> int:
        """Threads of this session's parent that the fork left behind; it carries only the main thread."""
        return 0 if self._process is None else self._process.identity.threads_lost

    @property
    def process_id(self) -> int | None:
        """The process that code last ran in; None before the first call and after a snapshot."""
        return None if self._process is None else self._process.identity.pid

    def run(self, code: str, timeout: float | None = None, *, checkpoint: bool = False) -> RunResult:
        """Run code and tell what it did. Nothing that the code does is raised here.

        Args:
            code: Python source; if it ends with an expression, its repr is the result's value.
            timeout: seconds until the code is interrupted with its state kept; `settings.grace` later the
                process is killed. None for the settings' time.
            checkpoint: fork before the call, so that a crash or a hard time-out costs the call and not the
                state. Where the session's own doing stands in the way of a fork (too many open files, say),
                the code runs without one, since it may be about to undo that.

        Returns:
            The output, value and error, and whether the state was kept.

        Raises:
            TypeError: the code is no string.
            ValueError: the time-out is not above zero.
            SessionClosed: the session was closed.
            SandboxError: no process can be started or forked.
        """
        if not isinstance(code, str):
            raise TypeError(f"code must be a str, got {type(code).__name__}")
        seconds = self.settings.timeout if timeout is None else check_seconds("timeout", timeout)
        with self._lock:
            self._check_open()
            begin = time.perf_counter()
            most = self.settings.limits.code_chars
            if len(code) > most:
                error = f"ValueError: the code has {len(code):,} characters; at most {most:,} are run at once"
                return RunResult("", None, error, time.perf_counter() - begin, True)
            try:
                process = self._checkpointed() if checkpoint else self._thaw()
                ran = process.run(code, seconds, self.settings.grace)
            except ProcessLost as loss:
                kept = self._survives_loss()
                return RunResult("", None, _loss_text(loss, kept), time.perf_counter() - begin, kept)
            except (ProcessRefused, ProtocolError) as error:
                return RunResult("", None, f"SessionError: {error}", time.perf_counter() - begin, True)
            except ForkFailed as failure:
                # A snapshot needs the state as it is, so the code could run in a fork only.
                kept = self._survives_loss()
                error = f"SessionError: the code was not run, the session cannot be forked: {failure}"
                return RunResult("", None, error, time.perf_counter() - begin, kept)
            self._drop_base()
            return _result(ran, self.settings.limits, time.perf_counter() - begin)

    def fork(self, n: int = 1) -> list[Self]:
        """`n` new sessions in the state of this one, which from now on differ from it and from each other.

        Raises:
            ValueError: n is below 1.
            SessionClosed: the session was closed.
            SandboxError: not all forks could be made; none is left then.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"fork needs an int of at least 1, got {n!r}")
        with self._lock:
            self._check_open()
            forks = [type(self)(self.settings) for _ in range(n)]
            source = self._process or (self._base and self._base.process)
            if source is not None:
                try:
                    processes = fork_process(source, n)
                except ProcessLost as loss:
                    raise SandboxError(f"the session cannot be forked, its process is gone: {loss}") from loss
                for fork, process in zip(forks, processes, strict=True):
                    fork._process = process
            return forks

    def snapshot(self) -> PythonSnapshot:
        """The state now, to be restored any number of times; the session goes on in a fork at its next call.

        Raises:
            SessionClosed: the session was closed.
            SandboxError: the session's process has ended.
        """
        with self._lock:
            self._check_open()
            try:
                self._freeze()
            except ProcessLost as loss:
                raise SandboxError(f"no snapshot can be taken, the session's process is gone: {loss}") from loss
            return PythonSnapshot(self.settings, None) if self._base is None else self._base.share()

    def restore(self, snapshot: PythonSnapshot) -> None:
        """Put the session into the state of a snapshot, taken of any session with equal settings.

        Raises:
            TypeError: it is no PythonSnapshot.
            ValueError: it was taken of a session with other settings.
            SessionClosed: the session or the snapshot was closed.
        """
        if not isinstance(snapshot, PythonSnapshot):
            raise TypeError(f"expected a PythonSnapshot, got {type(snapshot).__name__}")
        if snapshot.settings != self.settings:
            raise ValueError("the snapshot was taken of a session with other settings, which this one cannot take on")
        if snapshot.closed:
            raise SessionClosed("the snapshot was closed; restore it before, or take another")
        with self._lock:
            self._check_open()
            base = None if snapshot.process is None else snapshot.share()
            self._drop_process()
            self._drop_base()
            self._base = base

    def close(self) -> None:
        """Give everything back; does nothing the second time."""
        with self._lock:
            self._closed = True
            self._drop_process()
            self._drop_base()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise SessionClosed("the session was closed; make a new PythonSession")

    def _freeze(self) -> None:
        """Let `_base` hold the present state; `_process` is then None, unless its threads must go on."""
        if self._process is None:
            return
        if self._process.threads > 1:
            # Threads would go on changing what is meant to be frozen, and would be lost to the session.
            frozen = fork_process(self._process, 1)[0]
        else:
            frozen, self._process = self._process, None
        self._drop_base()
        self._base = PythonSnapshot.of(self.settings, frozen)

    def _checkpointed(self) -> SessionProcess:
        """The process to run code in; `_base` holds the state before the call if a fork could be made."""
        try:
            self._freeze()
            return self._thaw(forked=True)
        except ForkFailed:
            return self._thaw()

    def _thaw(self, *, forked: bool = False) -> SessionProcess:
        """The process to run code in, a fork of `_base` if that is wanted or others hold it too."""
        if self._process is not None:
            return self._process
        base = self._base
        if base is None or base.process is None:
            process = supervisor_for(self.settings).spawn()
        elif forked or base.shared:
            process = fork_process(base.process, 1)[0]
        else:
            base.take()
            process, self._base = base.process, None
        self._process = process
        return process

    def _survives_loss(self) -> bool:
        """Forget a process lost during a call; tell whether the state before the call is still there."""
        self._process = None
        if self._base is not None and self._base.process is not None and not self._base.process.alive:
            self._drop_base()
        return self._base is not None

    def _drop_process(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _drop_base(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None


def _loss_text(loss: ProcessLost, kept: bool) -> str:
    state = "are as they were before this call" if kept else "are lost, and the next call starts afresh"
    return f"SessionError: the Python process is gone: {loss}. Variables and files {state}."


def _result(ran: Ran, limits: Limits, seconds: float) -> RunResult:
    return RunResult(
        claimed(ran.stdout, limits.output_chars),
        None if ran.value is None else claimed(ran.value, limits.output_chars),
        None if ran.error is None else claimed(ran.error, limits.error_chars),
        seconds,
        True,
    )
