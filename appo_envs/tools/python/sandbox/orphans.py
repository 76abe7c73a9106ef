"""Killing processes that a session made without being allowed to, or that were left over when a fork failed.

Owns the search. It looks at descendants of the template only, and spares its own children that are being set
up: a process id may belong to anybody, a place in the family tree may not. Which of the others are known
sessions, only the trainer can say.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence


def sweep(parent: int, condemned: Sequence[int], spawned: set[int]) -> list[int]:
    """Find the children of `parent`, and orphans that fell to this process; kill those that are condemned.

    Args:
        parent: a session's process id as seen from here, 0 when it has ended.
        condemned: process ids to kill if they are still found in that place.
        spawned: ids of this process's own forks; those that have ended are taken out.

    Returns:
        The process ids that were found, known sessions among them.
    """
    parents = _parents()
    spawned.intersection_update(parents)
    found = []
    for pid, parent_of_pid in parents.items():
        orphan = parent_of_pid == os.getpid() and pid not in spawned
        # Where there is no process-id namespace, 0 is the parent of processes that are none of ours.
        if orphan or (parent and parent_of_pid == parent):
            found.append(pid)
            if pid in condemned:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    return found


def forget_ended(spawned: set[int]) -> None:
    """Take the ids of processes that have ended out of a set."""
    spawned.intersection_update(_parents())


def _parents() -> dict[int, int]:
    """Every process's parent."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                # The program's name, in brackets, may hold anything.
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
    return parents
