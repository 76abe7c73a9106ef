"""The folder that an unisolated session works in, and how a fork gets a copy of it.

Without mount namespaces /tmp cannot be private: the session gets a folder of its own as its working folder,
home and TMPDIR. A fork copies it, so files that the code names relatively or through `tempfile` are its own;
an absolute path into the parent's folder still leads there. Isolated sessions have `private_tmp` instead.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from typing import Protocol

from .descriptors import cut, is_shared, open_descriptors, opened_path, reopen, working_folder
from .settings import Limits
from .tree import copy_tree
from .wire import OpenFile, Proceed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Workplace(Protocol):
    """Where a session's files lie. The methods run in a fresh fork, before and after it is told to proceed."""

    def leave(self, scratch: str) -> Workplace:
        """Leave the parent's folder or mounts.

        Args:
            scratch: the folder that the trainer chose for this fork; empty where /tmp is private.

        Returns:
            The workplace of the fork.
        """
        ...

    def settle(self, proceed: Proceed) -> None:
        """Do with the open descriptors what `proceed` says, and go back to the working folder."""
        ...


class PlainFolder:
    """A folder of the host, private by convention only.

    Args:
        folder: its absolute path; made by `enter`.
        limits: of the session.
    """

    def __init__(self, folder: str, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._files: list[OpenFile] = []

    def enter(self) -> None:
        """Make the folder and work in it."""
        os.makedirs(self._folder, 0o700)
        os.chdir(self._folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = self._folder

    def leave(self, scratch: str) -> PlainFolder:
        """Copy the folder to `scratch` and work in the copy."""
        inside = os.path.relpath(working_folder(self._folder), self._folder)
        source = os.open(self._folder, _FOLDER)
        copy = PlainFolder(scratch, self._limits)
        copy.enter()
        target = os.open(scratch, _FOLDER)
        copy_tree(source, target, self._limits.tmp_files)
        os.close(source)
        os.close(target)
        if not inside.startswith(".."):
            os.chdir(inside)
        copy._files = self._open_files(scratch)
        return copy

    def settle(self, proceed: Proceed) -> None:
        """Open again what was found open here; the trainer knows nothing of an unisolated session's files."""
        opened = open_descriptors(self._limits.open_files)
        cut([number for number in opened if is_shared(os.fstat(number).st_mode)])
        reopen(self._files)

    def _open_files(self, scratch: str) -> list[OpenFile]:
        """The open files, named as in the copy; none on systems that do not tell their names."""
        files = []
        for number in open_descriptors(self._limits.open_files):
            try:
                path = opened_path(number)
                offset = os.lseek(number, 0, os.SEEK_CUR)
            except OSError:
                continue
            if path.startswith(self._folder + "/"):
                path = scratch + path.removeprefix(self._folder)
            if os.path.isfile(path):
                files.append(OpenFile(number, path, fcntl.fcntl(number, fcntl.F_GETFL), offset, False))
        return files
