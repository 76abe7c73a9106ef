"""Killing processes that a session made without being allowed to, or that were left over when a fork failed.

Owns the search. It looks at descendants of the template only, and spares its own children that are being set
up: a process id may belong to anybody, a place in the family tree may not.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence


def kill_strays(parent: int, keep: Sequence[int], spawned: set[int]) -> None:
    """Kill the children of `parent`, and orphans that fell to this process, unless they are to be kept.

    Args:
        parent: a session's process id as seen from here, 0 when it has ended.
        keep: process ids of known sessions.
        spawned: ids of this process's own forks; those that have ended are taken out.
    """
    parents = _parents()
    spawned &= parents.keys()
    for pid, parent_of_pid in parents.items():
        orphan = parent_of_pid == os.getpid() and pid not in spawned
        # Where there is no process-id namespace, 0 is the parent of processes that are none of ours.
        if pid not in keep and (orphan or (parent and parent_of_pid == parent)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _parents() -> dict[int, int]:
    """Every process's parent."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                # The program's name, in brackets, may hold anything.
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
    return parents
