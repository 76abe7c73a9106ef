"""Append-only files of lines, for episodes and verdicts: nothing that was said to be written is ever lost.

Owns durability, and what the lines of episodes mean together: a record counts once its line is on disk. Lines are
written by one thread that syncs once for all that wait, so that many episodes ending together cost one sync.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.record import EpisodeRecord, Key, from_line, latest


def read_records(path: Path) -> tuple[EpisodeRecord, ...]:
    """All finished records, where an episode that failed gives way to a later try of it.

    Raises:
        BenchmarkError: a line is damaged, or an episode that did not fail is there again.
    """
    return latest(read_attempts(path))


def read_attempts(path: Path) -> tuple[EpisodeRecord, ...]:
    """All finished records in order, those that failed and were tried again as well.

    Raises:
        BenchmarkError: a line is damaged, or an episode that did not fail is there again.
    """
    attempts: list[EpisodeRecord] = []
    done: dict[Key, int] = {}
    for number, line in enumerate(whole_lines(path), 1):
        record = from_line(line, f"{path}:{number}")
        if record.key in done:
            raise BenchmarkError(
                f"{path}:{number}: sample {record.sample} of {record.item} is on line {done[record.key]} already; "
                "remove one of them"
            )
        attempts.append(record)
        if not record.error:
            done[record.key] = number
    return tuple(attempts)


def whole_lines(path: Path) -> list[str]:
    """The lines of a file, none where there is no file; a last line that was cut off in the middle is none.

    Raises:
        BenchmarkError: the file cannot be read.
    """
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error}") from error
    return [line.decode("utf-8", "replace") for line in content.split(b"\n")[:-1]]


class LineFile:
    """Appends lines, from many threads; one process at a time.

    Args:
        path: created if it is not there; a line that was cut off in the middle is removed.

    Raises:
        BenchmarkError: another process is writing it, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as error:
            raise BenchmarkError(f"{path} cannot be opened: {error}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise BenchmarkError(f"{path} is being written by another process; wait for it, or use --out") from error
        _cut_torn_line(path)
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._failure: OSError | None = None
        self._writer = threading.Thread(target=self._write_all, name="outputs")
        self._writer.start()

    def append(self, line: str) -> None:
        """Hand over a line; it is on disk when the file is closed, and usually milliseconds later.

        Args:
            line: with its end.

        Raises:
            BenchmarkError: an earlier one could not be written.
        """
        self._check()
        self._waiting.put(line)

    def close(self) -> None:
        """Wait until all is on disk.

        Raises:
            BenchmarkError: something could not be written.
        """
        self._waiting.put(None)
        self._writer.join()
        try:
            self._file.close()
        except OSError as error:
            self._failure = self._failure or error
        self._check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self) -> None:
        if self._failure is not None:
            raise BenchmarkError(f"{self._file.name}: cannot write: {self._failure}") from self._failure

    def _write_all(self) -> None:
        go_on = True
        while go_on:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            go_on = None not in batch
            try:
                self._write([line for line in batch if line is not None])
            except OSError as error:
                self._failure = error

    def _write(self, lines: Sequence[str]) -> None:
        # After a failure a line may be torn, and a line after it would join it.
        if not lines or self._failure is not None:
            return
        self._file.write("".join(lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
