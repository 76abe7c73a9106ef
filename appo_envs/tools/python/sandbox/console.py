"""The standard output of a session: captured, bounded, and the same object in every call.

Owns what `sys.stdout` and `sys.stderr` are inside a session. When output is taken and where it goes is
`cell`'s.
"""

from __future__ import annotations

import io
import sys
from typing import Any

from .text import bounded


class _Kept(io.RawIOBase):
    """The first bytes written, and whether there were more."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = 0
        self._overflowed = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        size = len(data)
        room = self._limit - self._size
        if room > 0:
            self._chunks.append(bytes(data[:room]))
            self._size += min(size, room)
        self._overflowed |= size > room
        return size

    def take(self) -> tuple[bytes, bool]:
        """What was kept since the last call, and whether something was not."""
        data, overflowed = b"".join(self._chunks), self._overflowed
        self._chunks.clear()
        self._size, self._overflowed = 0, False
        return data, overflowed


class Console:
    """Standard output and error as one stream, in the order of writing.

    The stream outlives the call, because the code may keep a reference to it (logging handlers do).

    Args:
        limit: characters kept between two calls of `take`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open()

    def _open(self) -> None:
        self._kept = _Kept(4 * self._limit)
        # Backslashes stand for lone surrogates, so that what leaves the session is valid Unicode.
        self._stream = io.TextIOWrapper(
            io.BufferedWriter(self._kept), encoding="utf-8", errors="backslashreplace", write_through=True
        )

    def attach(self) -> None:
        """Make this sys.stdout and sys.stderr, whatever earlier code put there, and what code falls back on."""
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = self._stream

    def take(self) -> str:
        """The text written since the last call, cut to the limit with a visible note."""
        kept = self._kept
        try:
            self._stream.flush()
        except ValueError:
            # The code closed or detached its own standard output: the next call gets a new one.
            self._open()
        data, overflowed = kept.take()
        return bounded(data.decode("utf-8", "ignore"), self._limit, cut_before=overflowed)
