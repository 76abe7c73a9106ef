"""Folders that are there whole or not at all, whatever happens while they are written.

Owns the order of writing, syncing and renaming, and what is done after a crash between two renames. What is in the
folders is their writers'.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from appo_agent.errors import RunError

ASIDE = ".replaced"
"""Ends the name of a folder that is being replaced, `.NAME.replaced`."""
ATTEMPTS = 3
"""How often a folder is replaced while readers put the older one back."""


def write_whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder beside its place, then rename it there. An older one stays as it is until then.

    Args:
        folder: where it shall be; parents are made. All that an older one holds goes with it.
        write: fills the empty folder that it is given.

    Raises:
        RunError: the disk refused; what was there before is unchanged.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        write(partial)
        for path in partial.rglob("*"):
            sync(path)
        sync(partial)
        replace_folder(partial, folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        kept = "; what was there before is unchanged" if folder.is_dir() else ""
        raise RunError(f"cannot write {folder}: {error}{kept}") from error


def replace_folder(source: Path, target: Path) -> None:
    """Rename a folder to where another one may be. A crash in between leaves the other one for `put_back`."""
    put_back(target)
    # A directory cannot be renamed over another one, so that one first moves aside.
    aside = _aside(target)
    for attempt in range(ATTEMPTS):
        shutil.rmtree(aside, ignore_errors=True)
        if target.exists():
            target.rename(aside)
        try:
            source.rename(target)
            break
        except OSError as error:
            # A reader saw the moment without a folder and put the old one back.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or attempt == ATTEMPTS - 1:
                put_back(target)
                raise
    sync(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def put_back(folder: Path) -> bool:
    """Undo a replacement that a crash ended between its two renames: the older folder returns to its place.

    Args:
        folder: where it was.

    Returns:
        Whether there was one to put back.

    Raises:
        OSError: the disk refused.
    """
    # "." exists and has no name.
    if folder.exists():
        return False
    aside = _aside(folder)
    if not aside.is_dir():
        return False
    try:
        aside.rename(folder)
    except OSError:
        # The writer lives after all and was faster.
        if folder.exists():
            return False
        raise
    return True


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{ASIDE}")


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
