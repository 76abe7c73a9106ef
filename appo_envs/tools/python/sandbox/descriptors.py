"""Open descriptors across a fork: cutting the shared ones, opening files again.

A forked process shares pipes, sockets and file offsets with its parent; two branches of an episode must share
nothing. Owns both halves of putting that right in the child. Which files to open again comes from
`workplace`.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import sys
from collections.abc import Sequence

from .wire import OpenFile

# 0, 1 and 2 are the null device in every session, 3 is its channel to the trainer.
CHANNEL = 3
FIRST_FREE = 4
_MOST_PATH_BYTES = 1024
# Flags that only matter when a file is first made.
_CREATING = os.O_CREAT | os.O_EXCL | os.O_TRUNC


def move_descriptor(number: int, target: int) -> None:
    """Give an open descriptor another number, closing what had that number before."""
    if number != target:
        os.dup2(number, target, inheritable=False)
        os.close(number)


def working_folder(otherwise: str) -> str:
    """The path of the working folder; another one if it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return otherwise


def null_standard_streams() -> None:
    """Make the null device standard input, output and error."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)


def open_descriptors(limit: int) -> list[int]:
    """The numbers from FIRST_FREE up to `limit` that are open, found without /proc in one system call."""
    poll = select.poll()
    for number in range(FIRST_FREE, limit):
        poll.register(number, 0)
    closed = {number for number, event in poll.poll(0) if event & select.POLLNVAL}
    return [number for number in range(FIRST_FREE, limit) if number not in closed]


def opened_path(number: int) -> str:
    """The path of an open file, as the system tells it.

    Raises:
        OSError: it has none, or the system does not tell.
    """
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(number, fcntl.F_GETPATH, bytes(_MOST_PATH_BYTES)).rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{number}")


def is_file(mode: int) -> bool:
    """Whether a descriptor of this st_mode is one of a file or folder, which can be opened again."""
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def is_shared(mode: int) -> bool:
    """Whether a descriptor of this st_mode is a pipe, socket or event object, which joins all who have it."""
    return not (is_file(mode) or stat.S_ISCHR(mode))


def cut(numbers: Sequence[int]) -> None:
    """Replace descriptors by the null device, of which reading gives end of file."""
    if numbers:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for number in numbers:
            os.dup2(null, number, inheritable=False)
        os.close(null)


def reopen(files: Sequence[OpenFile]) -> None:
    """Open files again under their old numbers, at their old offsets.

    Raises:
        OSError: a file cannot be opened.
    """
    for file in files:
        fresh = os.open(file.path, (file.flags & ~_CREATING) | os.O_CLOEXEC)
        if file.offset:
            os.lseek(fresh, file.offset, os.SEEK_SET)
        os.dup2(fresh, file.descriptor, inheritable=False)
        os.close(fresh)
        if file.deleted:
            os.unlink(file.path)
