"""The template process: it imports the modules once, and every session is a fork of it.

Owns the imports and the birth of a session. It runs no model-written code, ever; it obeys the trainer alone,
and ends with everything that came from it when the trainer's side of the control channel closes.
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
from typing import NoReturn

from . import worker
from .descriptors import CHANNEL, FIRST_FREE, move_descriptor
from .limits import apply_limits
from .settings import PythonSettings, decode_settings
from .wire import Configure, Done, Failed, ProtocolError, Ready, Spawn, close_all, decode, receive, send
from .workplace import PlainFolder

_HIGHEST_DESCRIPTOR = 1 << 16


def main(descriptor: int) -> NoReturn:
    """Become the template whose control channel is `descriptor`; never returns."""
    control = socket.socket(fileno=descriptor)
    configure = decode(receive(control).data, Configure)
    settings = decode_settings(configure.settings)
    # One process group for the template and all sessions: killing the group leaves nothing.
    os.setsid()
    try:
        _import_modules(settings, configure.site_folders)
    except ImportError as error:
        send(control, Failed(_import_advice(error)))
        os._exit(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Frozen objects are never visited by the collector, so their pages stay shared with every session.
    gc.collect()
    gc.freeze()
    send(control, Ready(""))
    _serve(control, settings, configure.scratch)


def _import_modules(settings: PythonSettings, site_folders: list[str]) -> None:
    sys.path += [folder for folder in (*settings.paths, *site_folders) if folder not in sys.path]
    # The interpreter was started without `site`, which would run code from .pth files.
    site.setquit()
    site.setcopyright()
    site.sethelper()
    for name in settings.preload:
        importlib.import_module(name)
    if "sympy" in settings.preload:
        _warm_sympy()


def _warm_sympy() -> None:
    """Have sympy do what most code asks of it, so that its late imports and caches are shared too."""
    sympy = importlib.import_module("sympy")
    x = sympy.Symbol("x")
    sympy.solve(x**2 - 2, x)
    sympy.integrate(sympy.sin(x) * x, x)
    sympy.simplify((x**2 - 1) / (x - 1))
    sympy.latex(x**2)


def _import_advice(error: ImportError) -> str:
    return (
        f"the template cannot import what `preload` names: {type(error).__name__}: {error}. "
        "Install the module into the trainer's environment, or add its folder to `paths`."
    )


def _serve(control: socket.socket, settings: PythonSettings, scratch: str) -> NoReturn:
    while True:
        try:
            packet = receive(control)
        except ProtocolError:
            break
        if not packet.data:
            break
        request = decode(packet.data, Spawn)
        if os.fork() == 0:
            try:
                control.close()
                _begin_session(packet.descriptors[0], request.scratch, settings)
            finally:
                # Nothing that fails in a session may run on as a second template.
                os._exit(1)
        close_all(packet.descriptors)
        send(control, Done(request.number))
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _begin_session(end: int, scratch: str, settings: PythonSettings) -> NoReturn:
    """Turn this fork of the template into a session whose channel is `end`."""
    move_descriptor(end, CHANNEL)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(FIRST_FREE, _HIGHEST_DESCRIPTOR)
    channel = socket.socket(fileno=CHANNEL)
    workplace = PlainFolder(scratch, settings.limits)
    try:
        workplace.enter()
        apply_limits(settings.limits)
    except (OSError, ValueError) as error:
        send(channel, Failed(f"a session cannot be set up: {error}"))
        os._exit(1)
    send(channel, Ready(""))
    worker.serve(channel, workplace, settings.limits)
