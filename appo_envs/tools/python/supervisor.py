"""The trainer's side of one template process: starting it, asking it for sessions, ending it.

Owns the template's life and the registry of supervisors, one for each set of settings. A session's own life
is in `process`, the handshake of a fork in `forking`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pathlib
import shutil
import site
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator

from . import sandbox
from .errors import SandboxError
from .process import Identity, SessionProcess
from .sandbox.settings import NONE, PythonSettings, encode_settings
from .sandbox.wire import (
    Configure,
    Done,
    Failed,
    OpenFile,
    ProtocolError,
    Ready,
    Spawn,
    channel_pair,
    close_all,
    decode,
    receive,
    send,
)

_LAUNCH = pathlib.Path(sandbox.__file__).with_name("launch.py")
_SPAWN_SECONDS = 20.0
_END_SECONDS = 5.0
# The template inherits nothing of the trainer's environment: tokens and keys are often kept there.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


class Supervisor:
    """A running template and the sessions that came from it.

    Args:
        settings: of the template and its sessions.

    Raises:
        SandboxError: the template could not be started.
    """

    def __init__(self, settings: PythonSettings) -> None:
        if settings.isolation == NONE:
            _warn_once()
        self.settings = settings
        self.live: set[int] = set()
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._number = 0
        self._closing = threading.Event()
        self._launched = threading.Event()
        self._scratch = tempfile.mkdtemp(prefix="appo-python-")
        self._control, theirs = channel_pair()
        self._template: subprocess.Popen[bytes] | None = None
        # The kernel ends the template when the *thread* that started it ends, so that thread must last.
        self._thread = threading.Thread(target=self._attend, args=(theirs,), name="appo-python", daemon=True)
        self._thread.start()
        self._launched.wait()
        try:
            self._configure()
        except BaseException:
            self.close()
            raise

    def _attend(self, theirs: socket.socket) -> None:
        """Start the template and stay until it is to end."""
        command = [sys.executable, "-B", "-P", "-s", "-S", "-X", "utf8", str(_LAUNCH), str(theirs.fileno())]
        with theirs:
            try:
                template = subprocess.Popen(
                    command,
                    env=_ENVIRONMENT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    cwd="/",
                )
            except OSError:
                self._launched.set()
                return
        self._template = template
        self._launched.set()
        self._closing.wait()
        try:
            template.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            template.kill()
            template.wait()

    def _configure(self) -> None:
        send(self._control, Configure(encode_settings(self.settings), _site_folders(), self._scratch))
        self._control.settimeout(self.settings.start_seconds)
        try:
            packet = receive(self._control)
        except TimeoutError:
            raise SandboxError(
                f"the Python template did not start within {self.settings.start_seconds} s; "
                "preload less or raise PythonSettings.start_seconds"
            ) from None
        if not packet.data:
            raise SandboxError(f"the Python template ended while starting ({sys.executable}); see stderr")
        message = decode(packet.data, Ready, Failed)
        if isinstance(message, Failed):
            raise SandboxError(message.reason)
        self._control.settimeout(_SPAWN_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether sessions can be asked for."""
        template = self._template
        running = template is not None and template.returncode is None and not self._closing.is_set()
        return running and os.getpid() == self._owner

    def spawn(self) -> SessionProcess:
        """A new session, forked from the template.

        Raises:
            SandboxError: the template is gone or the session cannot be set up.
        """
        ours, theirs = channel_pair()
        scratch = self.new_scratch()
        try:
            with theirs, self._lock:
                self._number += 1
                send(self._control, Spawn(self._number, scratch), (theirs.fileno(),))
                decode(receive(self._control).data, Done)
            ours.settimeout(_SPAWN_SECONDS)
            packet = receive(ours)
            ours.settimeout(None)
            close_all(packet.descriptors)
            message = decode(packet.data, Ready, Failed)
        except (OSError, ProtocolError) as error:
            ours.close()
            raise SandboxError(f"the Python template does not start sessions any more: {error}") from error
        if isinstance(message, Failed) or packet.pid is None:
            ours.close()
            raise SandboxError(
                message.reason if isinstance(message, Failed) else "a session has no process id"
            )
        return SessionProcess(ours, Identity(packet.pid, scratch, 0), self)

    def new_scratch(self) -> str:
        """The path of a folder for one session, not made yet."""
        with self._lock:
            self._number += 1
            return os.path.join(self._scratch, str(self._number))

    @contextlib.contextmanager
    def permit(self, pid: int, count: int) -> Iterator[None]:
        """While open, process `pid` may fork `count` times."""
        yield

    def furnish(self, pidfd: int) -> list[OpenFile]:
        """Give a fork its private surroundings; unisolated ones do it themselves."""
        return []

    def sweep(self) -> None:
        """Kill every process that is no known session."""

    def close(self) -> None:
        """End the template and every session that came from it; does nothing the second time."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._control.close()
        if os.getpid() == self._owner:
            self._thread.join()
            shutil.rmtree(self._scratch, ignore_errors=True)


def _site_folders() -> list[str]:
    """The folders of installed packages that the trainer itself imports from.

    The rest of the trainer's path (its scripts, its checkout) may hold answers and secrets, and stays
    outside.
    """
    installed = [*site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        installed.append(site.getusersitepackages())
    return [folder for folder in installed if folder in sys.path]


_supervisors: dict[PythonSettings, Supervisor] = {}
_supervisors_lock = threading.Lock()


def supervisor_for(settings: PythonSettings) -> Supervisor:
    """The supervisor of all sessions with these settings, started on first use and again after it was lost.

    Raises:
        SandboxError: its template could not be started.
    """
    with _supervisors_lock:
        supervisor = _supervisors.get(settings)
        if supervisor is None or not supervisor.alive:
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


_warned = False
atexit.register(close_supervisors)
os.register_at_fork(after_in_child=_forget_supervisors)
