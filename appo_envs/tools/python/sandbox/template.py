"""The template process: it imports the modules once, and every session is a fork of it.

Owns the imports and the requests of the trainer. It runs no model-written code, ever, and ends with
everything that came from it when the trainer's side of the control channel closes. What becomes of a fork is
in `newborn`.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import signal
import site
import socket
import sys
from dataclasses import dataclass
from typing import NoReturn

from .fork import fork
from .huge_pages import gather_memory
from .isolation import features, namespaces
from .isolation.lifetime import adopt_orphans, await_request, die_with_parent, run_before_parent
from .isolation.private_tmp import PrivateTmp, furnish_fork, open_own_mounts
from .isolation.root import enter_root, move_imports_inside
from .isolation.seccomp import filter_here
from .newborn import Birth, begin_session
from .orphans import forget_ended, sweep
from .packets import ProtocolError, close_all, packet_socket, receive
from .rehearsal import rehearse
from .settings import ISOLATED, LINUX, PythonSettings
from .tree import TreeError
from .wire import Done, Failed, Furnish, Message, Proceed, Ready, Refused, Spawn, Sweep, Swept, decode, send
from .worker import new_interpreter

# Of so many forks it is not looked which have ended.
_FEW = 1024


@dataclass(frozen=True)
class Plan:
    """What the template is to become.

    Attributes:
        settings: of all its sessions.
        active: the isolation features to use.
        shown: the host's paths that its file system holds.
        scratch: where the folders of sessions without a private /tmp are put.
        trainer: the trainer's process id.
    """

    settings: PythonSettings
    active: frozenset[str]
    shown: tuple[str, ...]
    scratch: str
    trainer: int


def main(control: socket.socket, plan: Plan) -> NoReturn:
    """Set up and serve the trainer; never returns."""
    template = _Template(control, plan)
    try:
        template.prepare()
    except (OSError, ImportError) as error:
        send(control, Failed(f"the template cannot be set up: {type(error).__name__}: {error}"))
        os._exit(1)
    send(control, Ready())
    template.serve()


class _Template:
    def __init__(self, control: socket.socket, plan: Plan) -> None:
        self._control = control
        self._plan = plan
        self._own_mounts = -1
        self._filter: bytes | None = None
        self._interpreter = new_interpreter(plan.settings.limits)
        self._spawned: set[int] = set()
        self._most_spawned = _FEW

    def prepare(self) -> None:
        """Isolate this process, then import the modules."""
        active = self._plan.active
        if features.PID not in active:
            # One process group for the template and all sessions: killing the group leaves nothing.
            os.setsid()
        if self._plan.settings.isolation == ISOLATED:
            adopt_orphans()
        if features.MNT in active:
            move_imports_inside()
            enter_root(self._plan.shown)
            namespaces.give_up_root(active)
            self._own_mounts = open_own_mounts()
        elif features.USERNS in active:
            namespaces.give_up_root(active)
        self._end_with_trainer()
        if features.SECCOMP in active:
            self._filter = filter_here(
                supervised=features.NOTIFY in active, may_leave_mounts=features.PRIVATE_TMP in active
            )
        _import_modules(self._plan.settings)
        if self._plan.settings.isolation == ISOLATED:
            namespaces.become_nobody()
            self._end_with_trainer()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if features.PRIVATE_TMP in active:
            rehearse(PrivateTmp(self._plan.settings.limits, leaves=0))
        # Frozen objects are never visited by the collector, so their pages stay shared with every session.
        gc.collect()
        gc.freeze()
        gather_memory()

    def _end_with_trainer(self) -> None:
        """Have the kernel end this process with the trainer; to be said again after every change of user."""
        if features.PID in self._plan.active:
            die_with_parent(0)
        elif self._plan.settings.system != LINUX:
            signal.signal(signal.SIGTERM, lambda _signal, _frame: self._end())
        else:
            run_before_parent(self._plan.trainer, self._end)

    def serve(self) -> NoReturn:
        """Carry out requests until the trainer goes away."""
        while True:
            if self._plan.settings.system != LINUX and not await_request(self._control, self._plan.trainer):
                self._end()
            try:
                packet = receive(self._control)
                if not packet.data:
                    self._end()
                request = decode(packet.data, Spawn, Furnish, Sweep)
            except (ProtocolError, OSError):
                self._end()
            try:
                answer = self._carry_out(request, packet.descriptors)
            except (OSError, TreeError, ProtocolError) as error:
                # Too long for a packet: a session chooses the names of its open files.
                answer = Refused(request.number, str(error))
            close_all(packet.descriptors)
            send(self._control, answer)

    def _carry_out(self, request: Spawn | Furnish | Sweep, descriptors: list[int]) -> Message:
        match request:
            case Spawn():
                self._spawn(request, descriptors[0])
            case Furnish():
                pidfd, first, own = descriptors
                furnished = furnish_fork(pidfd, self._plan.settings.limits, self._own_mounts, request)
                greeted = packet_socket(first)
                try:
                    # From here, and not from the trainer: the fork need not wait for that to wake up.
                    send(greeted, Proceed(furnished.files, furnished.cut), (own,), wait=False)
                finally:
                    greeted.detach()
                return furnished
            case Sweep():
                return Swept(request.number, sweep(request.parent, request.condemned, self._spawned))
        return Done(request.number)

    def _spawn(self, request: Spawn, end: int) -> None:
        try:
            child = fork()
        except OSError as error:
            raise OSError(f"no process can be made for a session: {error.strerror}") from error
        if child:
            self._spawned.add(child)
            if len(self._spawned) > self._most_spawned:
                forget_ended(self._spawned)
                self._most_spawned = max(_FEW, 2 * len(self._spawned))
            return
        try:
            self._control.close()
            plan = self._plan
            begin_session(
                Birth(end, request.scratch, plan.settings, plan.active, plan.shown, self._filter, self._interpreter)
            )
        finally:
            # Nothing that fails in a session may run on as a second template.
            os._exit(1)

    def _end(self) -> NoReturn:
        if features.PID not in self._plan.active:
            shutil.rmtree(self._plan.scratch, ignore_errors=True)
            os.killpg(0, signal.SIGKILL)
        os._exit(0)


def _import_modules(settings: PythonSettings) -> None:
    # The interpreter was started without `site`, which would run code from .pth files.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    for name in settings.preload:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ImportError(
                f"{error}; `preload` names the module {name!r}: install it into the trainer's environment "
                f"or add its folder to `paths`{_unreadable_folders()}"
            ) from error
    if "sympy" in settings.preload:
        _warm_sympy()


def _unreadable_folders() -> str:
    folders = [path for path in sys.path if os.path.isdir(path) and not os.access(path, os.R_OK | os.X_OK)]
    if not folders:
        return ""
    return (
        f". The user that sessions run as (id {os.geteuid()}) may not read {', '.join(folders)}: open them with chmod"
    )


def _warm_sympy() -> None:
    """Have sympy do what most code asks of it, so that its late imports and caches are shared too."""
    sympy = importlib.import_module("sympy")
    x = sympy.Symbol("x")
    sympy.solve(x**2 - 2, x)
    sympy.integrate(sympy.sin(x) * x, x)
    sympy.simplify((x**2 - 1) / (x - 1))
    sympy.latex(x**2)
