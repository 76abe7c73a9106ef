"""A session's private /tmp: its own in every session, a copy of the parent's in every fork.

Owns the mounts over /tmp and /proc, and the check that a fork holds nothing open that its parent holds too.
The session enters its first /tmp itself, before any foreign code runs in it. A fork may already be hostile:
it leaves its parent's mount namespace, and the template does the rest from outside.
"""

from __future__ import annotations

import os
import secrets
import stat

from ..descriptors import CHANNEL, cut, is_file, is_shared, reopen, working_folder
from ..settings import Limits
from ..tree import copy_content, copy_tree
from ..wire import Furnish, Furnished, OpenFile, Proceed
from . import kernel
from .process_facts import descriptor_facts, descriptors, process_folder
from .root import PRIVATE_TMP, SESSION_FOLDER

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# An unmount is dear, a mount under another one nearly free, but copied by every fork.
_MOST_STACKED = 16
_HELD_PREFIX = ".held-"


class PrivateTmp:
    """The workplace of an isolated session.

    Args:
        limits: bounds on bytes and files below /tmp.
        leaves: the namespaces that a fork leaves (CLONE_NEW*); 0 for one that is only rehearsed.
    """

    def __init__(self, limits: Limits, leaves: int = kernel.CLONE_NEWNS) -> None:
        self._limits = limits
        self._leaves = leaves
        self._inside = PRIVATE_TMP

    def enter(self) -> None:
        """Cover /proc and /tmp; needs a mount namespace and CAP_SYS_ADMIN over it."""
        flags = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("tmpfs", "/proc", "tmpfs", flags, "size=4k,mode=555")
        _mount_session_folder(self._limits)
        os.chdir(PRIVATE_TMP)

    def leave(self, scratch: str) -> PrivateTmp:
        """Leave the parent's mounts."""
        self._inside = working_folder(PRIVATE_TMP)
        kernel.unshare(self._leaves)
        return self

    def settle(self, proceed: Proceed) -> None:
        """Open the fork's own copies of its files, drop what it shares, go back to its working folder."""
        cut(proceed.cut)
        reopen(proceed.files)
        try:
            os.chdir(self._inside)
        except OSError:
            # It lay where there is no copy of it.
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


def furnish_fork(pidfd: int, limits: Limits, own_mounts: int, request: Furnish) -> Furnished:
    """From the template: give a fork, which has left its parent's mounts, a copy of its parent's /tmp.

    Args:
        pidfd: descriptor of the fork.
        limits: of its /tmp.
        own_mounts: descriptor of the template's mount namespace, to come back to.
        request: the trainer's, which says how many /tmp lie over each other in the parent.

    Raises:
        OSError: a mount or the copy failed, as when /tmp is full.
        TreeError: the parent's /tmp cannot be copied.
    """
    kernel.setns(pidfd, kernel.CLONE_NEWNS)
    try:
        old = os.open(PRIVATE_TMP, _FOLDER)
        status = os.fstatvfs(old)
        had_files = status.f_files - status.f_ffree > 1
        if had_files or request.stacked >= _MOST_STACKED:
            # Covered files would stay in memory as long as the fork lives.
            kernel.unmount(SESSION_FOLDER, kernel.MNT_DETACH)
            _mount_session_folder(limits)
            stacked = 1
        else:
            # Unmounting waits for all processors, which takes longer than everything else here; an empty /tmp
            # may as well be covered.
            _mount_tmp(limits)
            stacked = request.stacked + 1
        new = os.open(PRIVATE_TMP, _FOLDER)
    finally:
        kernel.setns(own_mounts, kernel.CLONE_NEWNS)
    try:
        if had_files:
            copy_tree(old, new, limits.tmp_files)
        files, shared = _open_descriptors(process_folder(pidfd), new)
        return Furnished(request.number, files, shared, stacked, os.fstat(old).st_dev, had_files)
    finally:
        os.close(old)
        os.close(new)


def _open_descriptors(process: str, new_tmp: int) -> tuple[list[OpenFile], list[int]]:
    """The files that a fork has open, with stand-ins in `new_tmp` for nameless ones, and what it must cut."""
    files, shared = [], []
    for number in descriptors(process):
        opened = f"{process}/fd/{number}"
        status = os.stat(opened)
        if is_shared(status.st_mode) and number != CHANNEL:
            shared.append(number)
        if not is_file(status.st_mode):
            continue
        facts = descriptor_facts(process, number)
        nameless = status.st_nlink == 0 and stat.S_ISREG(status.st_mode)
        path = _stand_in(opened, number, new_tmp) if nameless else os.readlink(opened)
        files.append(OpenFile(number, path, int(facts["flags"], 8), int(facts["pos"]), nameless))
    return files, shared


def _stand_in(opened: str, number: int, new_tmp: int) -> str:
    """Copy a file that has no name any more into the fork's /tmp; return the copy's path."""
    name = f"{_HELD_PREFIX}{number}-{secrets.token_hex(8)}"
    # Without O_NONBLOCK a hostile fork could put a pipe in the file's place and have the template wait for
    # ever.
    source = os.open(opened, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        target = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=new_tmp)
        try:
            copy_content(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
    return f"{PRIVATE_TMP}/{name}"
