"""The first process that the trainer starts, which stays outside and waits.

It finds out what isolation works, leaves the trainer's namespaces, and starts the template inside them.

A process cannot change its own process id namespace, only that of its children: the stub stays outside and
the template is process 1 inside. When the trainer ends in any way the kernel kills the stub, then the
template, and with that process 1 every session.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
from typing import NoReturn

from . import template
from .isolation import features, namespaces
from .isolation.lifetime import die_with_parent, run_before_parent
from .isolation.probe import probe_features
from .isolation.root import shown_paths
from .packets import open_channel, receive
from .settings import ISOLATED, decode_settings
from .wire import Configure, Failed, Probed, Start, decode, send


def main(descriptor: int) -> NoReturn:
    """Start the template whose control channel is `descriptor`; never returns."""
    trainer = os.getppid()
    control = open_channel(descriptor)
    configure = decode(receive(control).data, Configure)
    settings = decode_settings(configure.settings)
    sys.path += [folder for folder in (*settings.paths, *configure.site_folders) if folder not in sys.path]
    shown = shown_paths(sys.path, sys.base_prefix)
    reports = probe_features(settings.without, shown) if settings.isolation == ISOLATED else []
    send(control, Probed(reports))
    packet = receive(control)
    if not packet.data:
        os._exit(0)
    start = decode(packet.data, Start)
    active = frozenset(start.features)
    plan = template.Plan(settings, active, tuple(shown), start.scratch, trainer)
    if active & {features.MNT, features.PID, features.NET}:
        try:
            namespaces.leave_outer(active)
        except OSError as error:
            send(control, Failed(f"the trainer's namespaces cannot be left: {error}"))
            os._exit(1)
    if features.PID in active:
        _wait_outside(control, plan)
    template.main(control, plan)


def _wait_outside(control: socket.socket, plan: template.Plan) -> None:
    """Return in a child, which is process 1; the caller itself ends when that one does."""
    try:
        child = os.fork()
    except OSError as error:
        send(control, Failed(f"no process can be made for the template: {error.strerror}"))
        os._exit(1)
    if child == 0:
        die_with_parent(0)
        return
    control.close()
    if plan.scratch:
        inside = os.pidfd_open(child)
        run_before_parent(plan.trainer, lambda: _kill(inside))
    else:
        die_with_parent(plan.trainer)
    _, status = os.waitpid(child, 0)
    if plan.scratch:
        shutil.rmtree(plan.scratch, ignore_errors=True)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _kill(inside: int) -> None:
    """End process 1, and with it all sessions; what they left on the host is removed after that."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(inside, signal.SIGKILL)
