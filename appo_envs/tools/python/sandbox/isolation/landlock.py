"""Landlock: which files a session may touch, decided again at every open.

A second wall behind the mounts, and the only one where mounts cannot be had. Owns the rules. Rules name
folders by descriptor, so they are made after the session's folders are in place.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from .kernel import syscall

_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
_PATH_BENEATH = struct.Struct("=Qi")

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_FIRST_RIGHTS = (1 << 13) - 1
# Rights that later versions of Landlock added, which are denied where they are not granted.
_ADDED_RIGHTS = {2: _REFER, 3: _TRUNCATE, 5: 1 << 15}
_ON_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE

_READING = _READ_FILE | _READ_DIR
# No fifos, sockets and devices, and no program is executed.
_WRITING = _READING | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER | _TRUNCATE
_DEVICE = _READ_FILE | _WRITE_FILE

_BIND_AND_CONNECT_TCP = 3
_NO_ABSTRACT_SOCKETS_NO_SIGNALS = 3


def landlock_version() -> int:
    """The version of Landlock that the kernel offers.

    Raises:
        OSError: it offers none.
    """
    return syscall("landlock_create_ruleset", None, 0, _CREATE_VERSION)


def restrict_files(readable: Sequence[str], writable: Sequence[str], devices: Sequence[str]) -> None:
    """Forbid this process and all that come from it every file outside of these, for good.

    Needs `forbid_new_privileges` before. A folder that gets a file system mounted later is named by its
    parent.

    Args:
        readable: folders and files to read.
        writable: folders in which to do anything but make special files.
        devices: device files to read and write.

    Raises:
        OSError: the kernel offers no Landlock, or a path cannot be opened.
    """
    version = landlock_version()
    handled = _FIRST_RIGHTS
    for since, right in _ADDED_RIGHTS.items():
        if version >= since:
            handled |= right
    attributes = struct.pack("Q", handled)
    if version >= 4:
        attributes += struct.pack("Q", _BIND_AND_CONNECT_TCP)
    if version >= 6:
        attributes += struct.pack("Q", _NO_ABSTRACT_SOCKETS_NO_SIGNALS)
    ruleset = syscall("landlock_create_ruleset", attributes, len(attributes), 0)
    try:
        for paths, rights in ((readable, _READING), (writable, _WRITING), (devices, _DEVICE)):
            for path in paths:
                _grant(ruleset, path, rights & handled)
        syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _grant(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _ON_FILES
        syscall("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, _PATH_BENEATH.pack(rights, place), 0)
    finally:
        os.close(place)
