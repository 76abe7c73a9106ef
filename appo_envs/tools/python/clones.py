"""Approving new processes and threads: the kernel asks, the trainer answers.

A session's filter stops every `clone` until somebody answers for it. Owns the answers: a fork is allowed
while one that the trainer asked for is open, and to its session's main thread only; threads are allowed up to
a number; everything else is refused. So a session is exactly one process, and killing that process ends it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import struct
import threading
from collections.abc import Iterator

_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_QUESTION_BYTES = 80
_HEAD = struct.Struct("QI")
_FIRST_ARGUMENT = struct.Struct("Q")
_FIRST_ARGUMENT_AT = 32
_REPLY = struct.Struct("QqiI")
_CONTINUE = 1
_COUNTLESS = 1 << 30

_SIGNAL_BITS = 0xFF
_CHILD_SETTID, _CHILD_CLEARTID, _PARENT_SETTID = 0x1000000, 0x200000, 0x100000
_THREAD = 0x10000
# What threads share: memory, file system, descriptors, signal handlers.
_THREAD_SHARES = 0x100 | 0x200 | 0x400 | 0x800 | _THREAD
# And what they may also ask for: undo lists, thread-local storage, ids.
_THREAD_EXTRAS = 0x40000 | 0x80000 | 0x400000 | _CHILD_SETTID | _CHILD_CLEARTID | _PARENT_SETTID
_FORK_EXTRAS = _CHILD_SETTID | _CHILD_CLEARTID | _PARENT_SETTID


class CloneGuard:
    """Answers the kernel for all sessions of one template.

    Args:
        max_threads: threads that a session may have at once.
    """

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._poll = select.epoll()
        self._listeners: set[int] = set()
        self._permits: dict[int, int] = {}
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._wake, select.EPOLLIN)

    def watch(self, listener: int) -> None:
        """Answer for a session from now on, and for its forks; the descriptor is taken over."""
        self._listeners.add(listener)
        self._poll.register(listener, select.EPOLLIN)

    @contextlib.contextmanager
    def permit(self, pid: int, count: int) -> Iterator[None]:
        """While open, the main thread of process `pid` may fork `count` times."""
        with self._lock:
            self._permits[pid] = count
        try:
            yield
        finally:
            with self._lock:
                self._permits.pop(pid, None)

    def answer_until_stopped(self, seconds: float) -> bool:
        """Answer questions for about this many seconds; False when `stop` was called."""
        for descriptor, events in self._poll.poll(seconds):
            if descriptor == self._wake:
                return False
            if events & select.EPOLLIN:
                self._answer(descriptor)
            else:
                # All processes under this filter have ended.
                self._forget(descriptor)
        return True

    def stop(self) -> None:
        """End `answer_until_stopped` in the thread that is in it."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Give the descriptors back; whoever asks from now on is refused by the kernel."""
        for listener in list(self._listeners):
            self._forget(listener)
        self._poll.close()
        os.close(self._wake)

    def _forget(self, listener: int) -> None:
        self._listeners.discard(listener)
        self._poll.unregister(listener)
        os.close(listener)

    def _answer(self, listener: int) -> None:
        buffer = bytearray(_QUESTION_BYTES)
        # The one who asked may have been killed meanwhile.
        with contextlib.suppress(OSError):
            fcntl.ioctl(listener, _RECEIVE, buffer)
            number, thread = _HEAD.unpack_from(buffer)
            (flags,) = _FIRST_ARGUMENT.unpack_from(buffer, _FIRST_ARGUMENT_AT)
            refusal = self.refusal(thread, flags)
            reply = _REPLY.pack(number, 0, -refusal, 0 if refusal else _CONTINUE)
            fcntl.ioctl(listener, _ANSWER, reply)

    def refusal(self, thread: int, flags: int) -> int:
        """The answer to a `clone`.

        Args:
            thread: id of the thread that asks.
            flags: the call's first argument.

        Returns:
            The error number to refuse with; 0 to allow.
        """
        if flags & _THREAD:
            if flags & _THREAD_SHARES != _THREAD_SHARES or flags & ~(_THREAD_SHARES | _THREAD_EXTRAS):
                return errno.EPERM
            return 0 if _thread_count(thread) < self._max_threads else errno.EAGAIN
        if flags & ~(_FORK_EXTRAS | _SIGNAL_BITS) or flags & _SIGNAL_BITS != signal.SIGCHLD:
            return errno.EPERM
        with self._lock:
            left = self._permits.get(thread, 0)
            if left == 0:
                return errno.EPERM
            self._permits[thread] = left - 1
        return 0


def _thread_count(thread: int) -> int:
    """Threads of the process that a thread belongs to; very many if they cannot be counted."""
    try:
        with open(f"/proc/{thread}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Threads:"))
    except OSError:
        return _COUNTLESS
