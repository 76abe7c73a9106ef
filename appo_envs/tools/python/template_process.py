"""Starting the template and speaking with it over its control channel.

Owns the program's command line and environment, the first exchange (what works here, what to use) and single
requests. Whose sessions they are and what watches over them is `supervisor`'s.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import site
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TypeVar

from . import sandbox
from .errors import SandboxError
from .sandbox.isolation.features import FeatureReport
from .sandbox.packets import ProtocolError, receive
from .sandbox.settings import LINUX, PythonSettings, encode_settings
from .sandbox.wire import (
    Configure,
    Done,
    Failed,
    Furnish,
    Furnished,
    Message,
    Probed,
    Ready,
    Refused,
    Spawn,
    Start,
    Sweep,
    Swept,
    decode,
    send,
)
from .system import System

Setup = TypeVar("Setup", Probed, Ready)
Answer = TypeVar("Answer", Done, Furnished, Swept)

_LAUNCH = pathlib.Path(sandbox.__file__).with_name("launch.py")
_ANSWER_SECONDS = 20.0
_END_SECONDS = 5.0
# The template inherits nothing of the trainer's environment, where tokens and keys are often kept.
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
# macOS ends forks that use its own libraries, numeric ones among them, unless told that this is meant.
_FOR_FORKS = {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "VECLIB_MAXIMUM_THREADS": "1"}


class TemplateError(SandboxError):
    """The template did not start, ended, or cannot do what was asked."""


class TemplateProcess:
    """A template, from its program's start on; on Linux the kernel ends it with the thread that made this object.

    Args:
        settings: of all its sessions.
        system: the operating system's ways.

    Raises:
        TemplateError: the interpreter cannot be executed.
    """

    def __init__(self, settings: PythonSettings, system: System) -> None:
        self._settings = settings
        self._owner = os.getpid()
        self._lock = threading.Lock()
        try:
            self._control, theirs = system.channel_pair()
        except OSError as error:
            raise TemplateError(f"the trainer cannot open more channels: {error.strerror}") from error
        command = [sys.executable, "-B", "-P", "-s", "-S", "-X", "utf8", str(_LAUNCH), str(theirs.fileno())]
        with theirs:
            try:
                self._program = subprocess.Popen(
                    command,
                    env=_ENVIRONMENT if settings.system == LINUX else _ENVIRONMENT | _FOR_FORKS,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    cwd="/",
                )
            except OSError as error:
                self._control.close()
                raise TemplateError(f"the template, {sys.executable}, cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """The process id of the program."""
        return self._program.pid

    @property
    def alive(self) -> bool:
        """Whether the program runs."""
        return self._program.poll() is None

    def probe(self) -> list[FeatureReport]:
        """Find out which isolation features work; the first thing to ask.

        Raises:
            TemplateError: the program ended or does not answer.
        """
        configure = Configure(encode_settings(self._settings), site_folders())
        return self._set_up(configure, Probed).reports

    def start(self, features: Sequence[str], scratch: str) -> None:
        """Import the modules and put these features into force; asked once, after `probe`.

        Args:
            features: to use.
            scratch: an existing folder for the sessions' folders, empty if each has a private /tmp.

        Raises:
            TemplateError: a module cannot be imported, or a feature failed after all.
        """
        self._set_up(Start(list(features), scratch), Ready)

    def ask(self, request: Spawn | Furnish | Sweep, kind: type[Answer], descriptors: Sequence[int] = ()) -> Answer:
        """Make a request and return its answer.

        Raises:
            TemplateError: it cannot be done, or the template is gone.
        """
        with self._lock, _understood(request, _ANSWER_SECONDS):
            self._send(request, _ANSWER_SECONDS, descriptors)
            answer = decode(self._receive(), Done, Furnished, Swept, Refused)
            while answer.number < request.number:
                # Of a request that was given up before its answer came.
                answer = decode(self._receive(), Done, Furnished, Swept, Refused)
        if isinstance(answer, Refused):
            raise TemplateError(answer.reason)
        if not isinstance(answer, kind):
            raise TemplateError(f"the Python template answered {type(request).__name__} with {answer}")
        return answer

    def _set_up(self, request: Configure | Start, kind: type[Setup]) -> Setup:
        seconds = self._settings.start_seconds
        with self._lock, _understood(request, seconds):
            self._send(request, seconds, ())
            answer = decode(self._receive(), kind, Failed)
        if isinstance(answer, Failed):
            raise TemplateError(answer.reason)
        return answer

    def _send(self, request: Message, seconds: float, descriptors: Sequence[int]) -> None:
        self._control.settimeout(seconds)
        send(self._control, request, descriptors)

    def _receive(self) -> bytes:
        data = receive(self._control).data
        if not data:
            raise TemplateError("the Python template ended; if it wrote why, that is on standard error")
        return data

    def hang_up(self) -> None:
        """Have the template end, with all its sessions; in a fork of the trainer, only let go of it."""
        if os.getpid() == self._owner:
            # Closing alone would not reach it while a helper that the trainer forked holds the channel too.
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()

    def wait(self) -> None:
        """Wait until it has ended after `hang_up`; kill it if it does not."""
        try:
            self._program.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()


@contextlib.contextmanager
def _understood(request: Message, seconds: float) -> Iterator[None]:
    """Say what an error of the control channel means."""
    try:
        yield
    except TimeoutError:
        raise TemplateError(
            f"the Python template did not answer {type(request).__name__} within {seconds:g} s; "
            "if it was starting, preload less or raise PythonSettings.start_seconds"
        ) from None
    except (OSError, ProtocolError) as error:
        raise TemplateError(f"the Python template cannot be spoken to any more: {error}") from error


def site_folders() -> list[str]:
    """The folders of installed packages that the trainer itself imports from.

    The rest of the trainer's path (its scripts, its checkout) may hold answers and secrets, and stays
    outside.
    """
    installed = [*site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        installed.append(site.getusersitepackages())
    return [os.path.abspath(folder) for folder in installed if folder in sys.path]
