"""The trainer's side of one template: its sessions, what watches over them, and their end.

Owns the thread that stays with the template, the walls' floor, and the registry of supervisors, one for each
set of settings. A session's own life is in `process`, the handshake of a fork in `forking`.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence

from .errors import SandboxError
from .handles import ProcessHandle
from .isolation import check_floor, memory_group
from .memory import MemoryGroup, MemoryWatch, default_cap_mb
from .process import Identity, SessionProcess
from .sandbox.isolation import features
from .sandbox.isolation.namespaces import NOBODY
from .sandbox.packets import Packet, Pair, ProtocolError, close_all, receive
from .sandbox.settings import NONE, PythonSettings
from .sandbox.wire import Done, Failed, Furnish, Furnished, Ready, Spawn, Sweep, Swept, decode
from .system import system_for
from .template_process import Answer, TemplateProcess

_SPAWN_SECONDS = 20.0
_WATCH_SECONDS = 1.0


class Supervisor:
    """A running template and the sessions that came from it.

    Args:
        settings: of the template and its sessions.

    Raises:
        IsolationError: the machine cannot give the isolation that the settings insist on.
        SandboxError: the template could not be started.
    """

    def __init__(self, settings: PythonSettings) -> None:
        self.settings = settings
        self.system = system_for(settings)
        self.live: dict[int, ProcessHandle] = {}
        self.ends: dict[int, str] = {}
        self._owner = os.getpid()
        self._number = itertools.count(1)
        self._closing = False
        self._scratch = ""
        try:
            self._guard = self.system.guard(settings.limits.threads)
        except OSError as error:
            raise SandboxError(f"the trainer cannot open more descriptors: {error.strerror}") from error
        self._active: frozenset[str] = frozenset()
        self._trouble: SandboxError | None = None
        self._template: TemplateProcess | None = None
        started = threading.Event()
        # The kernel ends the template when the thread that started it ends, so that thread must last.
        self._thread = threading.Thread(target=self._attend, args=(started,), name="appo-python", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._guard.close()
            raise SandboxError(f"the trainer cannot make one more thread: {error}") from error
        try:
            started.wait()
        except KeyboardInterrupt:
            self.close()
            raise
        if self._trouble is not None:
            self.close()
            raise self._trouble

    def _attend(self, started: threading.Event) -> None:
        """Start the template, then stay with it: answer the kernel, watch memory, see it end."""
        with contextlib.ExitStack() as ending:
            try:
                watch = self._start(ending)
            except SandboxError as trouble:
                self._trouble = trouble
                return
            finally:
                started.set()
            while self._guard.answer_until_stopped(_WATCH_SECONDS):
                victim = None if watch is None else watch.look(dict(self.live))
                if victim is not None:
                    self.ends[victim] = "all sessions together used too much memory, and it used the most"

    def _start(self, ending: contextlib.ExitStack) -> MemoryWatch | None:
        """Start the template with all the isolation there is; return the memory watch where one is needed."""
        settings = self.settings
        isolated = settings.isolation != NONE
        group, group_report = memory_group(settings) if isolated else (None, None)
        if group is not None:
            ending.callback(group.close)
        template = self._template = TemplateProcess(settings, self.system)
        ending.callback(template.wait)
        ending.callback(template.hang_up)
        reports = template.probe()
        if group_report is None:
            _warn_once()
        else:
            check_floor(settings, [*reports, group_report])
        if group is not None:
            _join(group, template.pid)
        self._active = frozenset(report.feature for report in reports if report.active)
        if features.PRIVATE_TMP not in self._active:
            self._scratch = _make_scratch(for_nobody=isolated and os.geteuid() == 0)
        template.start(sorted(self._active), self._scratch)
        if group is not None or not self.system.tells_memory:
            return None
        return MemoryWatch(settings.total_memory_mb or default_cap_mb())

    @property
    def alive(self) -> bool:
        """Whether sessions can be asked for."""
        template = self._template
        return template is not None and template.alive and not self._closing and os.getpid() == self._owner

    @property
    def template_pid(self) -> int:
        """The process id of the program that was started; all sessions descend from it. 0 before the start."""
        return 0 if self._template is None else self._template.pid

    @property
    def active(self) -> frozenset[str]:
        """The isolation features that sessions get."""
        return self._active

    def spawn(self) -> SessionProcess:
        """A new session, forked from the template.

        Raises:
            SandboxError: the template is gone or the session cannot be set up.
        """
        # A session and its forks have their folders in one, which is all that the walls let them write to.
        scratch = self._scratch and os.path.join(self._scratch, self._next_name(), "0")
        try:
            ours, theirs = self.system.channel_pair()
        except OSError as error:
            raise SandboxError(f"the trainer cannot open more channels: {error.strerror}") from error
        with contextlib.ExitStack() as failing:
            failing.callback(ours.close)
            with theirs:
                self._ask(Spawn(next(self._number), scratch), Done, (theirs.fileno(),))
            packet = _first_words(ours)
            for listener in packet.descriptors:
                self._guard.watch(listener)
            try:
                pid = packet.pid or 0
                process = SessionProcess(ours, Identity(pid, scratch, 0), self.hold(pid, ours), self)
            except OSError as error:
                raise SandboxError(f"a new session cannot be held: {error}") from error
            failing.pop_all()
            return process

    def new_scratch(self, parent: str) -> str:
        """The path of a new folder for a fork, beside its parent's; empty where /tmp is private."""
        return parent and os.path.join(os.path.dirname(parent), self._next_name())

    def permit(self, pid: int, count: int) -> contextlib.AbstractContextManager[None]:
        """While open, process `pid` may fork `count` times."""
        return self._guard.permit(pid, count)

    def hold(self, pid: int, channel: socket.socket) -> ProcessHandle:
        """A handle of a session's process that just greeted on `channel`.

        Raises:
            OSError: it has ended, or is none of this template's.
        """
        return self.system.hold(pid, self.template_pid, channel)

    def furnish(self, process: ProcessHandle, stacked: int, channels: Pair) -> Furnished | None:
        """Give a fork its private surroundings and its own channel; None where /tmp is not private.

        Raises:
            TemplateError: it cannot be done.
        """
        if features.PRIVATE_TMP not in self._active or process.descriptor is None:
            return None
        first, own = (end.fileno() for end in channels)
        return self._ask(Furnish(next(self._number), stacked), Furnished, (process.descriptor, first, own))

    def sweep(self, parent: int) -> None:
        """Kill the children of a process, and orphans, that are no known sessions."""
        if not self._active or not self.alive:
            return
        inner = _inner_pid(parent)
        found = self._ask(Sweep(next(self._number), inner, []), Swept).found
        if found:
            # Looked at after the search: a fork of another session that lost its parent meanwhile is known by now.
            known = set(map(_inner_pid, list(self.live)))
            condemned = [pid for pid in found if pid not in known]
            if condemned:
                self._ask(Sweep(next(self._number), inner, condemned), Swept)

    def close(self) -> None:
        """End the template and every session that came from it; does nothing the second time."""
        if self._closing:
            return
        self._closing = True
        if self._template is not None:
            self._template.hang_up()
        if os.getpid() == self._owner:
            self._guard.stop()
            self._thread.join()
            self._guard.close()
            if self._scratch:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def _ask(self, request: Spawn | Furnish | Sweep, kind: type[Answer], descriptors: Sequence[int] = ()) -> Answer:
        if self._template is None:
            raise SandboxError("the Python template was not started")
        return self._template.ask(request, kind, descriptors)

    def _next_name(self) -> str:
        return str(next(self._number))


def _join(group: MemoryGroup, pid: int) -> None:
    try:
        group.add(pid)
    except OSError as error:
        raise SandboxError(
            f"the template cannot be put into its memory group: {error}; PythonSettings(without=('cgroup',)) does "
            "without the group"
        ) from error


def _make_scratch(for_nobody: bool) -> str:
    try:
        # Open files are known by their real paths, and on macOS the temporary folder lies behind a link.
        scratch = os.path.realpath(tempfile.mkdtemp(prefix="appo-python-"))
        if for_nobody:
            os.chown(scratch, NOBODY, NOBODY)
    except OSError as error:
        raise SandboxError(f"no temporary folder can be made for Python sessions: {error}") from error
    return scratch


def _first_words(channel: socket.socket) -> Packet:
    """A new session's greeting, with its listener if it has one.

    Raises:
        SandboxError: it could not be set up, or does not greet.
    """
    channel.settimeout(_SPAWN_SECONDS)
    try:
        packet = receive(channel)
        if not packet.data:
            raise SandboxError("a new session ended before it was set up")
        greeting = decode(packet.data, Ready, Failed)
    except (OSError, ProtocolError) as error:
        raise SandboxError(f"a new session does not greet: {error}") from error
    channel.settimeout(None)
    if isinstance(greeting, Failed):
        close_all(packet.descriptors)
        raise SandboxError(greeting.reason)
    return packet


def _inner_pid(pid: int) -> int:
    """A session's process id as the template sees it; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next((int(line.split()[-1]) for line in file if line.startswith("NSpid:")), 0)
    except OSError:
        return 0


_supervisors: dict[PythonSettings, Supervisor] = {}
_supervisors_lock = threading.Lock()
_warned = False


def supervisor_for(settings: PythonSettings) -> Supervisor:
    """The supervisor of all sessions with these settings, started on first use and again after it was lost.

    Raises:
        IsolationError: the machine cannot give the isolation that the settings insist on.
        SandboxError: its template could not be started.
    """
    with _supervisors_lock:
        supervisor = _supervisors.get(settings)
        if supervisor is None or not supervisor.alive:
            if supervisor is not None:
                supervisor.close()
            supervisor = _supervisors[settings] = Supervisor(settings)
        return supervisor


def close_supervisors() -> None:
    """End all templates of this process and every session with them."""
    with _supervisors_lock:
        for supervisor in _supervisors.values():
            supervisor.close()
        _supervisors.clear()


def _forget_supervisors() -> None:
    """In a fork of the trainer: leave the parent's templates alone and start anew when asked."""
    global _supervisors, _supervisors_lock
    _supervisors, _supervisors_lock = {}, threading.Lock()


def _warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        print("appo_envs: Python sessions are not isolated (isolation='none')", file=sys.stderr)


atexit.register(close_supervisors)
os.register_at_fork(after_in_child=_forget_supervisors)
