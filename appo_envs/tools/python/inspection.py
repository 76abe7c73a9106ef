"""Checking from outside that a fork is on its own.

A fork leaves its parent's mounts and puts its descriptors right itself, in a process that may be hostile. Owns the
checks that it did: after them, parent and fork have no open file, pipe, folder or memory in common through which
either could learn of the other.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time

from .sandbox.descriptors import CHANNEL, is_file, is_shared
from .sandbox.isolation.process_facts import (
    activity,
    descriptor_facts,
    descriptors,
    maps_device,
    mount_ids,
    mount_namespace,
    thread_count,
    thread_folders,
)
from .sandbox.wire import Furnished

# A fork that has greeted falls asleep within microseconds, fewer than it takes to be woken by a timer.
_QUICK_LOOKS, _PAUSE_SECONDS = 20, 0.00005
_MOST_LOOKS = 1000


class SharedWithParent(Exception):
    """A fork holds something that its parent, or another fork, could hold too."""


class HasThreads(Exception):
    """A fork started threads before it was ready, as a hook of `os.register_at_fork` may."""


def check_own_mounts(pid: int, parent: int, others: set[int]) -> None:
    """Check that nobody else is in a fork's mount namespace, and so would get the /tmp that is mounted there.

    Nobody can come into it later: a namespace cannot be entered, and is inherited by threads and forks only.

    Args:
        pid: of the fork.
        parent: its parent's process id.
        others: the namespaces that other forks of the same parent were found in; the fork's own is added.

    Raises:
        SharedWithParent: somebody is.
        HasThreads: the fork has threads, each of which may be in another namespace.
        OSError: the fork has ended.
    """
    process = f"/proc/{pid}"
    # Before the threads are counted: one that is started later is where the only one is by then.
    own = mount_namespace(process)
    if thread_count(process) != 1:
        raise HasThreads("it started a thread before it was ready")
    if own in others or own in _mount_namespaces(f"/proc/{parent}"):
        raise SharedWithParent("it did not leave its parent's mounts")
    others.add(own)


def inspect_fork(pid: int, furnished: Furnished, channel: int, deadline: float) -> None:
    """Check a fork that has said that it is ready.

    Args:
        pid: of the fork.
        furnished: what the template said of its surroundings.
        channel: the inode of its own channel.
        deadline: on the clock of time.monotonic, until when it must hold still.

    Raises:
        SharedWithParent: the fork kept something.
        OSError: it has ended.
    """
    process = f"/proc/{pid}"
    for look in itertools.count():
        before = activity(process)
        if before.threads != 1:
            raise SharedWithParent("it has threads, which may hold what it does not")
        if before.asleep:
            _inspect(process, furnished, channel)
            # A process that ran meanwhile could have shown everything but what it keeps.
            if activity(process) == before:
                return
        if time.monotonic() > deadline:
            raise SharedWithParent("it does not hold still to be looked at")
        if look < _QUICK_LOOKS:
            os.sched_yield()
        else:
            time.sleep(_PAUSE_SECONDS)


def _inspect(process: str, furnished: Furnished, channel: int) -> None:
    old_tmp = furnished.old_device
    if os.stat(f"{process}/cwd").st_dev == old_tmp:
        raise SharedWithParent("its working folder is the parent's")
    mounts = None
    for number in descriptors(process):
        status = os.stat(f"{process}/fd/{number}")
        if is_file(status.st_mode):
            mounts = mount_ids(process) if mounts is None else mounts
            # A file opened before the fork left its parent's mounts has a mount of that namespace for ever.
            # One opened after that, but before the parent's /tmp was covered, has that one's device.
            if status.st_dev == old_tmp or descriptor_facts(process, number)["mnt_id"] not in mounts:
                raise SharedWithParent(f"its descriptor {number} is a file that its parent opened")
        # Another socket could have any descriptor on its way to itself, where nobody sees it.
        elif is_shared(status.st_mode) and not (number == CHANNEL and status.st_ino == channel):
            raise SharedWithParent(f"its descriptor {number} is {os.readlink(f'{process}/fd/{number}')}")
    if furnished.old_had_files and maps_device(process, old_tmp):
        raise SharedWithParent("a file of its parent is mapped into its memory")


def _mount_namespaces(process: str) -> set[int]:
    """The mount namespaces that the threads of a process are in; none if it has ended."""
    for _ in range(_MOST_LOOKS):
        try:
            if thread_count(process) == 1:
                # The main thread, which lasts as long as the process: nobody can have come in its place.
                own = mount_namespace(process)
                if thread_count(process) == 1:
                    return {own}
            threads = thread_folders(process)
        except FileNotFoundError:
            return set()
        found = set()
        for thread in threads:
            # Threads that have ended are in none.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.add(mount_namespace(thread))
        # A thread that came meanwhile may be where one was that has gone.
        if thread_folders(process) == threads:
            return found
    raise SharedWithParent("its parent's threads come and go too fast")
