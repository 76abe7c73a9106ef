"""How a fork of the template becomes a session.

Owns the order of the steps, each of which takes away rights that the earlier ones needed. When the session
greets, everything is in force; only then is it given code.
"""

from __future__ import annotations

import os
import random
import signal
import socket
from dataclasses import dataclass
from typing import NoReturn

from . import worker
from .cell import Interpreter
from .descriptors import CHANNEL, FIRST_FREE, move_descriptor, null_standard_streams
from .isolation import features, namespaces
from .isolation.capabilities import drop_capabilities, forbid_new_privileges
from .isolation.landlock import restrict_files
from .isolation.private_tmp import PrivateTmp
from .isolation.root import DEVICES, SESSION_FOLDER, inside_path
from .isolation.seccomp import install_filter
from .limits import apply_limits
from .packets import open_channel
from .settings import ISOLATED, LINUX, PythonSettings
from .wire import Failed, Ready, send
from .workplace import PlainFolder, Workplace

_HIGHEST_DESCRIPTOR = 1 << 16
# Of all processes, the kernel shall choose a session when memory runs out.
_WORST_OOM_SCORE = "1000"
# Processes of a session and all its forks together, where the trainer cannot approve each.
_MOST_UNSUPERVISED = 256


@dataclass(frozen=True)
class Birth:
    """What a session is born with.

    Attributes:
        end: descriptor of its channel to the trainer.
        scratch: its folder where /tmp is not private.
        settings: of the template.
        active: the isolation features to use.
        shown: the host's paths that it may read.
        filter: the system-call filter, made once for all sessions; None where there is none.
        interpreter: that nothing ran in yet; made before the fork, so that its memory is shared until code runs.
    """

    end: int
    scratch: str
    settings: PythonSettings
    active: frozenset[str]
    shown: tuple[str, ...]
    filter: bytes | None
    interpreter: Interpreter


def begin_session(birth: Birth) -> NoReturn:
    """Turn this fork of the template into a session; never returns."""
    # The template's own handler would end all sessions.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Two sessions shall not draw the same numbers, unlike a session and its fork.
    random.seed()
    channel = _take_only_channel(birth.end)
    try:
        workplace, listener = _restrict(birth)
    except (OSError, ValueError) as error:
        send(channel, Failed(f"a session cannot be set up: {error}"))
        os._exit(1)
    if listener is None:
        send(channel, Ready())
    else:
        send(channel, Ready(), (listener,))
        os.close(listener)
    worker.serve(channel, workplace, birth.interpreter)


def _take_only_channel(end: int) -> socket.socket:
    """Keep no descriptor of the template but the channel; the standard three become the null device."""
    move_descriptor(end, CHANNEL)
    null_standard_streams()
    os.closerange(FIRST_FREE, _HIGHEST_DESCRIPTOR)
    return open_channel(CHANNEL)


def _restrict(birth: Birth) -> tuple[Workplace, int | None]:
    """Put all walls up; return the workplace, and the listener where the trainer approves new processes."""
    limits, active = birth.settings.limits, birth.active
    if birth.settings.isolation == ISOLATED:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(_WORST_OOM_SCORE)
    if features.USERNS in active:
        namespaces.leave_inner(active)
    workplace = PrivateTmp(limits) if features.PRIVATE_TMP in active else PlainFolder(birth.scratch, limits)
    workplace.enter()
    unsupervised = features.USERNS in active and features.NOTIFY not in active
    apply_limits(limits, _MOST_UNSUPERVISED if unsupervised else None, lenient=birth.settings.system != LINUX)
    if birth.settings.isolation != ISOLATED:
        return workplace, None
    forbid_new_privileges()
    drop_capabilities(keep_admin=features.PRIVATE_TMP in active)
    if features.LANDLOCK in active:
        if features.MNT in active:
            readable, writable = [inside_path(path) for path in birth.shown] + ["/etc"], [SESSION_FOLDER]
        else:
            # A fork's folder lies beside its parent's, and must be writable for it under the parent's rules.
            # What nobody may not read anyway, such as an interpreter in root's home, cannot be granted
            # either.
            readable = [path for path in birth.shown if os.access(path, os.R_OK)]
            writable = [os.path.dirname(birth.scratch)]
        restrict_files(readable, writable, DEVICES)
    if birth.filter is None:
        return workplace, None
    return workplace, install_filter(birth.filter, supervised=features.NOTIFY in active)
