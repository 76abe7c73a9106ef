"""Copying a folder tree whose owner may be hostile.

The copy walks through directory descriptors and never follows a link, so it cannot be led out of the tree
while it runs. Owns the copy only; who mounts what where is `private_tmp`'s and `workplace`'s business.
"""

from __future__ import annotations

import errno
import os

_MAX_DEPTH = 32
_CHUNK = 1 << 20
# What lseek says on file systems without holes.
_NO_HOLES = (errno.EINVAL, errno.ENOTSUP, errno.ENOTTY)
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A fifo would block the copy without O_NONBLOCK.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TreeError(Exception):
    """The tree is deeper or holds more entries than a copy may have."""


def copy_tree(source: int, target: int, max_entries: int) -> None:
    """Copy folders, files and symbolic links; anything else (fifos, sockets, devices) is left out.

    Args:
        source: descriptor of the folder to copy.
        target: descriptor of an empty folder.
        max_entries: entries that the copy may have at most.

    Raises:
        TreeError: there are more entries, or more than 32 levels.
        OSError: reading or writing failed, as when the target is full.
    """
    _copy(source, target, max_entries, _MAX_DEPTH)


def _copy(source: int, target: int, left: int, depth: int) -> int:
    """Copy one level and those below; return how many more entries the copy may have."""
    if depth == 0:
        raise TreeError(f"the folders are more than {_MAX_DEPTH} levels deep")
    with os.scandir(source) as entries:
        for entry in entries:
            left -= 1
            if left < 0:
                raise TreeError("there are more files than a copy may have")
            if entry.is_symlink():
                os.symlink(os.readlink(entry.name, dir_fd=source), entry.name, dir_fd=target)
            elif entry.is_dir(follow_symlinks=False):
                left = _copy_folder(entry.name, source, target, left, depth)
            elif entry.is_file(follow_symlinks=False):
                _copy_file(entry.name, source, target)
    return left


def _copy_folder(name: str, source: int, target: int, left: int, depth: int) -> int:
    inner = os.open(name, _OPEN_FOLDER, dir_fd=source)
    try:
        os.mkdir(name, 0o700, dir_fd=target)
        outer = os.open(name, _OPEN_FOLDER, dir_fd=target)
        try:
            left = _copy(inner, outer, left, depth - 1)
            _copy_times(inner, outer)
        finally:
            os.close(outer)
    finally:
        os.close(inner)
    return left


def _copy_file(name: str, source: int, target: int) -> None:
    inner = os.open(name, _OPEN_FILE, dir_fd=source)
    try:
        outer = os.open(name, _MAKE_FILE, 0o600, dir_fd=target)
        try:
            copy_content(inner, outer)
            _copy_times(inner, outer)
        finally:
            os.close(outer)
    finally:
        os.close(inner)


def copy_content(source: int, target: int) -> None:
    """Copy a file's bytes and its holes, so that a sparse file takes no more room than before."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    offset = 0
    while offset < size:
        offset, end = _next_extent(source, offset, size)
        while offset < end:
            chunk = os.pread(source, min(_CHUNK, end - offset), offset)
            if not chunk:
                return
            offset += os.pwrite(target, chunk, offset)


def _next_extent(source: int, offset: int, size: int) -> tuple[int, int]:
    """Where the next bytes that are no hole begin and end; all the rest where the system knows of no holes."""
    try:
        begin = os.lseek(source, offset, os.SEEK_DATA)
        return begin, os.lseek(source, begin, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size, size
        if error.errno in _NO_HOLES:
            return offset, size
        raise


def _copy_times(source: int, target: int) -> None:
    status = os.fstat(source)
    os.fchmod(target, status.st_mode & 0o777)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
