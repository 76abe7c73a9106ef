"""What a person is told when the disk refuses a file. Folders are written by `whole_folder`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appo_agent.errors import RunError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """The block writes a file, and its OSErrors are the disk's.

    Args:
        path: of the file, or of the folder that is written into.

    Raises:
        RunError: the disk is full, or does not allow it; names the file.
    """
    try:
        yield
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; put that right, then resume the run or repeat the command"
        ) from error
