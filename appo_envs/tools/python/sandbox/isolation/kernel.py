"""The kernel's doors that the standard library does not open: mounts, namespaces, prctl.

Owns thin wrappers that raise OSError and name the call. What they are used for is up to the modules beside.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from .syscalls import this_machine

CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTRIBUTES = struct.Struct("QQQQ")

_libc = ctypes.CDLL(None, use_errno=True)
if sys.platform == "linux":
    _libc.syscall.restype = ctypes.c_long
    _libc.prctl.restype = ctypes.c_int


def syscall(name: str, *arguments: int | bytes | None) -> int:
    """Make a system call.

    Args:
        name: as in the table of `syscalls`.
        arguments: integers, or bytes and None for pointers.

    Raises:
        OSError: the call failed, or this machine has no table.
    """
    machine = this_machine()
    if machine is None:
        raise OSError(f"{name}: the system-call numbers of this machine ({os.uname().machine}) are not known")
    converted = [
        ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument) for argument in arguments
    ]
    result = _libc.syscall(ctypes.c_long(machine.numbers[name]), *converted)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def prctl(option: int, *arguments: int) -> int:
    """Set or ask an attribute of this process.

    Raises:
        OSError: the kernel refuses or does not know the option.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    result = _libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(argument) for argument in padded))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` (CLONE_NEW*) name for new ones."""
    # A fork copies what it touches: the C library's own wrapper is the shortest way.
    if _libc.unshare(flags) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def setns(descriptor: int, flags: int) -> None:
    """Enter the namespaces of a process, given by a descriptor of it or of its namespace."""
    syscall("setns", descriptor, flags)


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """Mount a file system, or change how one is mounted."""
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    syscall("mount", texts[0], texts[1], texts[2], flags, texts[3])


def unmount(target: str, flags: int = 0) -> None:
    """Take a file system away."""
    syscall("umount2", os.fsencode(target), flags)


def pivot_root(new_root: str, put_old: str) -> None:
    """Make `new_root` the root folder, and put the old root at `put_old` below it."""
    syscall("pivot_root", os.fsencode(new_root), os.fsencode(put_old))


def protect_mount(path: str, flags: int, *, recursive: bool) -> None:
    """Set MS_RDONLY, MS_NOSUID, MS_NODEV or MS_NOEXEC on a mount, and on all those below it if recursive."""
    attributes = _MOUNT_ATTRIBUTES.pack(flags, 0, 0, 0)
    depth = _AT_RECURSIVE if recursive else 0
    syscall("mount_setattr", _AT_FDCWD, os.fsencode(path), depth, attributes, len(attributes))
