"""The memory of all sessions together.

Each session's address space has a limit of its own, and so has its /tmp, which lies in memory; but many forks can
fill the machine. Where a cgroup can be had the kernel bounds them; elsewhere this watches, and kills the largest
session when they are too many megabytes.
"""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Mapping

from .handles import ProcessHandle
from .sandbox.isolation.root import PRIVATE_TMP

_MIB = 1 << 20
_SHARE_OF_MACHINE = 0.75
# Looking at a thousand sessions takes a while, so the pause grows with what the last look cost.
_LEAST_PAUSE, _PAUSE_PER_COST = 1.0, 50.0
_CGROUPS = pathlib.Path("/sys/fs/cgroup")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def default_cap_mb() -> int:
    """Three quarters of the machine's memory, MiB."""
    return max(1, int(os.sysconf("SC_PHYS_PAGES") * _PAGE * _SHARE_OF_MACHINE) // _MIB)


class MemoryWatch:
    """Watches the memory of processes, counting what they share once.

    Args:
        cap_mb: what they may use together, MiB.
    """

    def __init__(self, cap_mb: int) -> None:
        self._cap = cap_mb * _MIB
        self._next_look = 0.0

    def look(self, processes: Mapping[int, ProcessHandle]) -> int | None:
        """Kill the largest process if all together are above the cap; call it often, it looks seldom.

        Args:
            processes: process ids, with a handle of each.

        Returns:
            The id of the process that was killed.
        """
        begin = time.monotonic()
        if begin < self._next_look:
            return None
        victim = None
        # The cheap figure counts shared memory again and again: if even that is small, all is well.
        if sum(_resident_bytes(pid) + _tmp_bytes(pid) for pid in processes) > self._cap:
            sizes = {pid: proportional_bytes(pid) + _tmp_bytes(pid) for pid in processes}
            if sum(sizes.values()) > self._cap:
                victim = max(sizes, key=lambda pid: sizes[pid])
                try:
                    processes[victim].kill()
                except OSError:
                    # Its session ended it meanwhile, and gave the handle back.
                    victim = None
        end = time.monotonic()
        self._next_look = end + max(_LEAST_PAUSE, _PAUSE_PER_COST * (end - begin))
        return victim


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def _tmp_bytes(pid: int) -> int:
    """What the files in the private /tmp of a session take; 0 if it has none or has ended."""
    try:
        status = os.statvfs(f"/proc/{pid}/root{PRIVATE_TMP}")
    except OSError:
        return 0
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def proportional_bytes(pid: int) -> int:
    """Memory of a process, bytes, where what n processes share counts as one n-th; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0


class MemoryGroup:
    """A cgroup of the second version, in which the kernel bounds memory.

    Args:
        cap_mb: what the processes in it may use together, MiB.
        root: where the cgroup file system is mounted.
        own: this process's group in it; None to look it up.

    Raises:
        OSError: no group with a memory bound can be made here; the text says why.
    """

    def __init__(self, cap_mb: int, root: pathlib.Path = _CGROUPS, own: str | None = None) -> None:
        path = root / (_own_group() if own is None else own).lstrip("/")
        for parent in (path, path.parent):
            if root in (parent, *parent.parents) and "memory" in _controllers(parent):
                self._folder = parent / f"appo-python-{os.getpid()}-{id(self):x}"
                self._folder.mkdir()
                (self._folder / "memory.max").write_text(str(cap_mb * _MIB))
                return
        raise OSError("no cgroup of version 2 with the memory controller is delegated to this process")

    def add(self, pid: int) -> None:
        """Put a process, and all that will come from it, into the group."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def close(self) -> None:
        """Remove the group, whose processes must have ended."""
        try:
            self._folder.rmdir()
        except OSError:
            # The kernel may still be taking the last process away; an empty group costs next to nothing.
            return


def _own_group() -> str:
    with open("/proc/self/cgroup") as file:
        for line in file:
            if line.startswith("0::"):
                return line[3:].strip()
    raise OSError("this process is in no cgroup of version 2")


def _controllers(group: pathlib.Path) -> list[str]:
    try:
        return (group / "cgroup.subtree_control").read_text().split()
    except OSError:
        return []
