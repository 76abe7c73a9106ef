"""One session's process, as the trainer holds it.

Owns talking to it (a request, one answer before a deadline), ending it, and giving it back when nobody holds
it any more. Everything it says may be forged: an answer that breaks the protocol ends the process. How
processes come to be is `supervisor`'s and `forking`'s.
"""

from __future__ import annotations

import os
import secrets
import select
import shutil
import socket
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TypeVar

from .errors import SandboxError
from .handles import ProcessHandle
from .nursery import Nursery
from .sandbox.packets import Packet, ProtocolError, close_all, receive
from .sandbox.text import claimed_reason
from .sandbox.wire import Explained, Failed, Message, Ran, Run, decode, send

M = TypeVar("M", Explained, Ran)
_GONE_SECONDS = 1.0


class ProcessLost(Exception):
    """The session's process ended, or was ended, before it answered; the text says why."""


class ProcessRefused(Exception):
    """The session's process cannot do what was asked, and goes on as before; the text says why."""


@dataclass(frozen=True)
class Identity:
    """Which process this is.

    Attributes:
        pid: its id here, as the kernel reported it.
        scratch: its folder on the host, empty where its /tmp is private.
        threads_lost: threads of the parent that the fork left behind.
    """

    pid: int
    scratch: str
    threads_lost: int


class SessionProcess:
    """A live process that runs code and forks.

    Args:
        channel: our end of its channel; closed with the process.
        identity: which process it is.
        handle: of the process; given back with it.
        nursery: what its forks need; the process is among the live ones there until it is ended.

    Attributes:
        threads: alive in it when it last said so.
        stacked: how many private /tmp lie over each other in it, of which it sees the last.
    """

    def __init__(self, channel: socket.socket, identity: Identity, handle: ProcessHandle, nursery: Nursery) -> None:
        self.identity = identity
        self.nursery = nursery
        self.lock = threading.RLock()
        self.threads = 1
        self.stacked = 1
        self._owner = os.getpid()
        self._channel = channel
        self._handle = handle
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        if self._handle.descriptor is not None:
            self._poll.register(self._handle.descriptor, select.POLLIN)
        # An unguessable start: answers cannot be queued before their question is known.
        self._number = secrets.randbits(48)
        nursery.live[identity.pid] = self._handle
        self._give_back = weakref.finalize(
            self, _give_back, self._owner, channel, self._handle, identity, nursery.live, nursery.ends
        )

    @property
    def channel(self) -> socket.socket:
        """Our end of its channel."""
        return self._channel

    @property
    def alive(self) -> bool:
        """Whether nobody has ended it; the process may have ended itself meanwhile."""
        return self._give_back.alive

    def end(self) -> None:
        """Kill the process and give back all that it held. Does nothing the second time."""
        self._give_back()

    def run(self, code: str, seconds: float, grace: float) -> Ran:
        """Have code run; `grace` seconds after the soft time-out the process is killed.

        Raises:
            ProcessRefused: it cannot take the code.
            ProcessLost: it ended instead of answering.
            ProtocolError: the code is too long for a packet; the process was not disturbed.
        """
        with self.lock:
            number = self.next_number()
            deadline = time.monotonic() + seconds + grace
            self.ask(Run(number, code, seconds))
            try:
                ran = self.answer(Ran, number, deadline)
            except KeyboardInterrupt:
                # The code runs on, and its late answer would be taken for that of the next call.
                self.end()
                raise
            self.threads = ran.threads
            return ran

    def next_number(self) -> int:
        """A number for the next request, which its answer must repeat."""
        self._number += 1
        return self._number

    def ask(self, request: Message, descriptors: tuple[int, ...] = ()) -> None:
        """Send a request to a silent process.

        Raises:
            SandboxError: it belongs to the process that this one was forked from.
            ProcessLost: it is gone, or had sent something unasked, or does not read.
            ProtocolError: the request is too long for a packet.
        """
        if os.getpid() != self._owner:
            raise SandboxError(
                f"the session belongs to process {self._owner}, this is its fork {os.getpid()}: "
                "make a new PythonSession here"
            )
        if not self.alive:
            raise ProcessLost("the process was ended before")
        if self._poll.poll(0):
            raise self._lost("it spoke unasked or ended between two calls")
        try:
            send(self._channel, request, descriptors, wait=False)
        except OSError as error:
            raise self._lost(f"it does not listen ({error.strerror})") from error

    def answer(self, kind: type[M], number: int, deadline: float) -> M:
        """Wait for the answer to request `number`.

        Args:
            kind: the message that the answer must be; its first field is the number.
            number: of the request.
            deadline: on the clock of time.monotonic.

        Raises:
            ProcessRefused: it cannot do what was asked, and goes on.
            ProcessLost: the deadline passed, the process ended or broke the protocol; it is ended now.
        """
        try:
            message = decode(self._wait(deadline).data, kind, Failed)
        except ProtocolError as error:
            raise self._lost(f"it broke the protocol: {error}") from error
        if isinstance(message, Failed):
            raise ProcessRefused(claimed_reason(message.reason))
        if message[0] != number:
            raise self._lost("it answered a question that was not asked")
        return message

    def _wait(self, deadline: float) -> Packet:
        events = dict(self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
        if not events:
            raise self._lost("it did not stop in time")
        if self._channel.fileno() not in events:
            raise self._lost("it ended")
        try:
            packet = receive(self._channel)
        except OSError as error:
            raise self._lost(f"it ended ({error.strerror})") from error
        if packet.descriptors:
            close_all(packet.descriptors)
            raise self._lost("it sent descriptors")
        if not packet.data:
            raise self._lost("it ended")
        if packet.pid != self.identity.pid:
            raise self._lost("another process spoke on its channel")
        return packet

    def _lost(self, reason: str) -> ProcessLost:
        reason = self.nursery.ends.pop(self.identity.pid, reason)
        self.end()
        return ProcessLost(reason)


def _give_back(
    owner: int,
    channel: socket.socket,
    handle: ProcessHandle,
    identity: Identity,
    live: dict[int, ProcessHandle],
    ends: dict[int, str],
) -> None:
    """End the process and free its descriptors and folder; a fork of the trainer frees its copies only."""
    if os.getpid() == owner:
        handle.kill()
        live.pop(identity.pid, None)
        # Nobody may have asked why it ended, and the next one with this id would be told.
        ends.pop(identity.pid, None)
        if identity.scratch:
            handle.await_end(_GONE_SECONDS)
            shutil.rmtree(identity.scratch, ignore_errors=True)
    channel.close()
    handle.close()
