"""A session's private /tmp: its own in every session, a copy of the parent's in every fork.

Owns the mounts over /tmp and /proc, and the check that a fork holds nothing open that its parent holds too.
The session enters its first /tmp itself, before any foreign code runs in it. A fork may already be hostile:
it leaves its parent's mount namespace, and the template does the rest from outside.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from typing import NamedTuple

from ..descriptors import CHANNEL, cut_shared, reopen
from ..settings import Limits
from ..tree import copy_content, copy_tree
from ..wire import OpenFile
from . import kernel
from .root import PRIVATE_TMP, SESSION_FOLDER

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# An unmount is dear, a mount under another one nearly free, but copied by every fork.
_MOST_STACKED = 16
_HELD_PREFIX = ".held-"


class SharedDescriptor(Exception):
    """A fork holds something open that its parent could hold too, and that cannot be made its own."""


class PrivateTmp:
    """The workplace of an isolated session.

    Args:
        limits: bounds on bytes and files below /tmp.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inside = PRIVATE_TMP

    def enter(self) -> None:
        """Cover /proc and /tmp; needs a mount namespace and CAP_SYS_ADMIN over it."""
        flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("tmpfs", "/proc", "tmpfs", flags, "size=4k,mode=555")
        _mount_session_folder(self._limits)
        os.chdir(PRIVATE_TMP)

    def leave(self, scratch: str) -> PrivateTmp:
        """Leave the parent's mounts and let go of everything open that the two share."""
        self._inside = os.getcwd()
        os.chdir("/")
        cut_shared(self._limits.open_files)
        kernel.unshare(kernel.CLONE_NEWNS)
        return self

    def settle(self, files: Sequence[OpenFile]) -> None:
        """Open the fork's own copies of its files and go back to its working folder."""
        reopen(files)
        try:
            os.chdir(self._inside)
        except OSError:
            # The parent's working folder was deleted, so there is no copy of it.
            os.chdir(PRIVATE_TMP)


def open_own_mounts() -> int:
    """A descriptor of this process's mount namespace, to come back to."""
    return os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def _mount_session_folder(limits: Limits) -> None:
    """Mount an empty /tmp on a mount that can later be taken away with all that was mounted on it."""
    kernel.mount(SESSION_FOLDER, SESSION_FOLDER, flags=kernel.MS_BIND)
    _mount_tmp(limits)


def _mount_tmp(limits: Limits) -> None:
    """Mount an empty /tmp over the one there is."""
    options = f"size={limits.tmp_mb}m,nr_inodes={limits.tmp_files},mode=700"
    kernel.mount("tmpfs", PRIVATE_TMP, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, options)


class Left(NamedTuple):
    """What a fork left behind: the device number of its parent's /tmp, and whether it held any file."""

    device: int
    had_files: bool


class Furniture(NamedTuple):
    """What a fork has open and must open again, how many /tmp lie over each other now, and what it left."""

    files: list[OpenFile]
    stacked: int
    left: Left


def furnish_fork(pidfd: int, limits: Limits, own_mounts: int, stacked: int) -> Furniture:
    """From the template: give a fork, which has left its parent's mounts, a copy of its parent's /tmp.

    Args:
        pidfd: descriptor of the fork.
        limits: of its /tmp.
        own_mounts: descriptor of the template's mount namespace, to come back to.
        stacked: how many /tmp lie over each other in the parent.

    Raises:
        OSError: a mount or the copy failed, as when /tmp is full.
        TreeError: the parent's /tmp cannot be copied.
    """
    kernel.setns(pidfd, kernel.CLONE_NEWNS)
    try:
        old = os.open(PRIVATE_TMP, _FOLDER)
        status = os.fstatvfs(old)
        left = Left(os.fstat(old).st_dev, had_files=status.f_files - status.f_ffree > 1)
        if left.had_files or stacked >= _MOST_STACKED:
            # Covered files would stay in memory as long as the fork lives.
            kernel.unmount(SESSION_FOLDER, kernel.MNT_DETACH)
            _mount_session_folder(limits)
            stacked = 1
        else:
            # Unmounting waits for all processors, which takes longer than everything else here; an empty /tmp
            # may as well be covered.
            _mount_tmp(limits)
            stacked += 1
        new = os.open(PRIVATE_TMP, _FOLDER)
    finally:
        kernel.setns(own_mounts, kernel.CLONE_NEWNS)
    try:
        if left.had_files:
            copy_tree(old, new, limits.tmp_files)
        return Furniture(_open_files(_process_folder(pidfd), new), stacked, left)
    finally:
        os.close(old)
        os.close(new)


def check_fork(pidfd: int, left: Left) -> None:
    """From the template: check that a fork shares nothing with its parent that either could change.

    Raises:
        SharedDescriptor: it does.
        OSError: the fork has ended.
    """
    process = _process_folder(pidfd)
    if os.stat(f"{process}/cwd").st_dev == left.device:
        raise SharedDescriptor("the working folder is the parent's")
    mounts = None
    for number in _descriptors(process):
        status = os.stat(f"{process}/fd/{number}")
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            mounts = _mount_ids(process) if mounts is None else mounts
            # A file opened before the fork left its parent's mounts still has a mount of that namespace. One
            # that was opened after, but before the parent's /tmp was covered, has its device.
            if status.st_dev == left.device or _descriptor_facts(process, number)["mnt_id"] not in mounts:
                raise SharedDescriptor(f"descriptor {number} is a file opened by the parent")
        elif not (stat.S_ISCHR(status.st_mode) or (stat.S_ISSOCK(status.st_mode) and number == CHANNEL)):
            raise SharedDescriptor(f"descriptor {number} is {os.readlink(f'{process}/fd/{number}')}")
    if left.had_files and _maps_device(process, left.device):
        raise SharedDescriptor("a file of the parent is mapped into memory")


def process_id(pidfd: int) -> int:
    """The id, in the namespace of /proc here, of the process that a descriptor stands for.

    Raises:
        OSError: the process has ended.
    """
    pid = int(_facts(f"/proc/self/fdinfo/{pidfd}")["Pid"])
    if pid <= 0:
        raise OSError("the process has ended")
    return pid


def _process_folder(pidfd: int) -> str:
    return f"/proc/{process_id(pidfd)}"


def _descriptors(process: str) -> list[int]:
    return sorted(int(name) for name in os.listdir(f"{process}/fd"))


def _open_files(process: str, new_tmp: int) -> list[OpenFile]:
    """The files and folders that the fork has open, with stand-ins in `new_tmp` for those without a name."""
    files = []
    for number in _descriptors(process):
        opened = f"{process}/fd/{number}"
        status = os.stat(opened)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            continue
        facts = _descriptor_facts(process, number)
        nameless = status.st_nlink == 0 and stat.S_ISREG(status.st_mode)
        path = _stand_in(opened, number, new_tmp) if nameless else os.readlink(opened)
        files.append(OpenFile(number, path, int(facts["flags"], 8), int(facts["pos"]), nameless))
    return files


def _stand_in(opened: str, number: int, new_tmp: int) -> str:
    """Copy a file that has no name any more into the fork's /tmp; return the copy's path."""
    name = f"{_HELD_PREFIX}{number}-{secrets.token_hex(8)}"
    source = os.open(opened, os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=new_tmp)
        try:
            copy_content(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
    return f"{PRIVATE_TMP}/{name}"


def _facts(path: str) -> dict[str, str]:
    """The lines "key: value" of a file of /proc."""
    with open(path) as file:
        pairs = (line.partition(":") for line in file)
        return {key: value.strip() for key, colon, value in pairs if colon}


def _descriptor_facts(process: str, number: int) -> dict[str, str]:
    return _facts(f"{process}/fdinfo/{number}")


def _mount_ids(process: str) -> set[str]:
    with open(f"{process}/mountinfo") as file:
        return {line.split(maxsplit=1)[0] for line in file}


def _maps_device(process: str, device: int) -> bool:
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}"
    with open(f"{process}/maps") as file:
        return any(line.split(maxsplit=4)[3] == wanted for line in file)
