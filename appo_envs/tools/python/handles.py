"""What stands for a session's process on the trainer's side: killing that process and no other.

Owns the two kinds of handles. A process id alone may have been given to somebody else meanwhile. Linux has
descriptors of processes; elsewhere a process is known by its id and by its process group, which it shares
with its template and with nothing outside.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from typing import Protocol

_RUBBISH_BYTES = 1 << 16


class ProcessHandle(Protocol):
    """A process that this program is not the parent of."""

    @property
    def descriptor(self) -> int | None:
        """What reads as ready when the process has ended; None where only its channel tells."""
        ...

    def kill(self) -> None:
        """End the process; does nothing if it has ended."""
        ...

    def await_end(self, seconds: float) -> None:
        """Wait until the process has ended after `kill`, but not longer than this."""
        ...

    def close(self) -> None:
        """Give the handle back."""
        ...


class DescribedProcess:
    """A process by a descriptor of it, on Linux.

    Args:
        pid: its id now.

    Raises:
        OSError: there is no such process.
    """

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    @property
    def descriptor(self) -> int:
        """The descriptor, which is ready for reading when the process has ended."""
        return self._descriptor

    def kill(self) -> None:
        """End the process."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def await_end(self, seconds: float) -> None:
        """Wait for the kernel to say so."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.poll(seconds * 1000)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


class GroupedProcess:
    """A process by its id and its process group, on any POSIX system.

    Args:
        pid: its id now.
        group: the process group of all sessions of its template.
        channel: our end of its channel, of which it alone holds the other; closed by its owner.

    Raises:
        OSError: there is no such process in the group.
    """

    def __init__(self, pid: int, group: int, channel: socket.socket) -> None:
        self._pid = pid
        self._group = group
        self._channel = channel
        if not self._is_there():
            raise ProcessLookupError(f"process {pid} is not of process group {group}")

    @property
    def descriptor(self) -> None:
        """There is none: the end of the process closes its channel."""
        return None

    def kill(self) -> None:
        """End the process, if it still is one of the group."""
        with contextlib.suppress(ProcessLookupError):
            if self._is_there():
                os.kill(self._pid, signal.SIGKILL)

    def await_end(self, seconds: float) -> None:
        """Read its channel to the end."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(OSError):
            while (left := deadline - time.monotonic()) > 0:
                self._channel.settimeout(left)
                if not self._channel.recv(_RUBBISH_BYTES):
                    return

    def close(self) -> None:
        """There is nothing to give back."""

    def _is_there(self) -> bool:
        try:
            return os.getpgid(self._pid) == self._group
        except ProcessLookupError:
            return False
