"""Checking from outside that a fork is on its own.

A fork puts its descriptors right itself, in a process that may be hostile. Owns the check that it did: after
it, parent and fork have no open file, pipe, folder or memory in common through which either could learn of
the other.
"""

from __future__ import annotations

import os
import stat

from .sandbox.descriptors import CHANNEL, is_file, is_shared
from .sandbox.isolation.process_facts import descriptor_facts, descriptors, maps_device, mount_ids
from .sandbox.wire import Furnished


class SharedWithParent(Exception):
    """A fork holds something that its parent could hold too."""


def inspect_fork(pid: int, furnished: Furnished) -> None:
    """Check a fork that has said that it is ready.

    Args:
        pid: of the fork.
        furnished: what the template said of its surroundings.

    Raises:
        SharedWithParent: the fork kept something.
        OSError: it has ended.
    """
    process = f"/proc/{pid}"
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
        elif is_shared(status.st_mode) and not (stat.S_ISSOCK(status.st_mode) and number == CHANNEL):
            raise SharedWithParent(f"its descriptor {number} is {os.readlink(f'{process}/fd/{number}')}")
    if furnished.old_had_files and maps_device(process, old_tmp):
        raise SharedWithParent("a file of its parent is mapped into its memory")
