"""Nothing outlives the trainer: parent-death signals and orphans.

Owns the chain trainer, stub, template. Sessions need no signal of their own: they die with the template's
process id namespace, and without one with its process group.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Callable

from .kernel import prctl

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_LOOK_SECONDS = 0.25


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, in whatever way.

    The kernel forgets this when the process changes its user, so call it again then.

    Args:
        parent: the parent's process id as seen from here, 0 when it is outside this process id namespace.
    """
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent ended before the kernel was told.
        os._exit(1)


def run_before_parent(parent: int, action: Callable[[], None]) -> None:
    """Have `action` run when the parent ends, for a process that has others to end before itself."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: action())
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        action()


def await_request(control: socket.socket, parent: int) -> bool:
    """Wait for a packet where the kernel does not tell of the parent's end; False when the parent has ended.

    The control channel alone would not do: a helper that the trainer forked may hold it open.
    """
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while os.getppid() == parent:
        if poll.poll(_LOOK_SECONDS * 1000):
            return True
    return False


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def stay_dumpable() -> None:
    """Let the template enter this process's namespaces, which the kernel forbids after a change of user."""
    prctl(_PR_SET_DUMPABLE, 1)
