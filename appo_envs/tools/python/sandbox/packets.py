"""How packets travel between two processes: whole, with open descriptors, and with the sender's process id.

Owns the two kinds of sockets. Linux keeps packets whole by itself and says who sent them (SOCK_SEQPACKET,
SCM_CREDENTIALS). Other POSIX systems have neither between processes: there a packet is a length and its bytes
in a stream, and the sender says its own id, which will do for code that is trusted. What is in a packet is
`wire`'s.
"""

import array
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

MAX_PACKET = 400 * 1024
MAX_DESCRIPTORS = 64
_room = threading.local()
_CREDENTIALS = struct.Struct("iII")
_RIGHTS_ROOM = socket.CMSG_SPACE(4 * MAX_DESCRIPTORS)
_ANCILLARY = _RIGHTS_ROOM + socket.CMSG_SPACE(_CREDENTIALS.size)
# As plain numbers: to combine the enumerations of `socket` takes longer than to receive a small packet.
_CUT = int(socket.MSG_TRUNC) | int(socket.MSG_CTRUNC)
_NO_WAIT = int(socket.MSG_DONTWAIT)
# Length of the packet, its sender's process id, how many descriptors come along.
_FRAME = struct.Struct("!IIH")
_RECEIVED = b"\6"
# A packet whose first byte is there is complete within this time, or never.
_REST_SECONDS = 5.0


class ProtocolError(Exception):
    """A packet that the protocol does not allow: malformed, oversized, or of the wrong kind or sender."""


class Packet(NamedTuple):
    """One received packet: its bytes (none at the end of the stream), descriptors, sender's process id."""

    data: bytes
    descriptors: list[int]
    pid: int | None


Pair = tuple[socket.socket, socket.socket]


def packet_pair() -> Pair:
    """A connected pair of packet sockets, on Linux; the first end learns who writes to the second."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_PACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


def packet_socket(descriptor: int) -> socket.socket:
    """An end of a `packet_pair` that came to this process as a descriptor; takes the descriptor over."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, descriptor)


def framed_pair() -> Pair:
    """A connected pair of stream sockets that carry packets, on any POSIX system."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in pair:
        # Some systems count what waits on the sender's side, some on the receiver's.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_PACKET)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_PACKET)
    ours, theirs = (_framed(end.detach()) for end in pair)
    return ours, theirs


def open_channel(descriptor: int) -> socket.socket:
    """The end of a pair that came to this process as a descriptor, whichever kind it is."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
    if end.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM:
        return _framed(end.detach())
    return end


def send_packet(end: socket.socket, data: bytes, descriptors: Sequence[int], *, wait: bool) -> None:
    """Send one packet, with copies of open descriptors.

    Args:
        end: our side of a channel.
        data: at most MAX_PACKET bytes, at least one.
        descriptors: of which the other side gets copies.
        wait: until the other side has read enough of what was sent before; a hostile one never does.

    Raises:
        BlockingIOError: the other side does not read, and this one does not wait.
        OSError: the other side is gone.
    """
    if isinstance(end, _FramedSocket):
        end.send_frame(data, descriptors, wait=wait)
        return
    flags = 0 if wait else _NO_WAIT
    if descriptors:
        end.sendmsg([data], [_rights(descriptors)], flags)
    else:
        end.send(data, flags)


def receive(end: socket.socket) -> Packet:
    """Wait for one packet. The caller owns the descriptors in it.

    Raises:
        ProtocolError: the packet or its ancillary part was longer than allowed; its descriptors are closed.
        OSError: reading failed.
    """
    if isinstance(end, _FramedSocket):
        return end.receive_frame()
    buffer = _buffer()
    size, ancillary, flags, _ = end.recvmsg_into([buffer], _ANCILLARY, socket.MSG_CMSG_CLOEXEC)
    descriptors: list[int] = []
    pid = None
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.extend(_numbers(payload))
        elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid = _CREDENTIALS.unpack(payload)[0]
    if flags & _CUT:
        close_all(descriptors)
        raise ProtocolError(f"a packet was longer than {MAX_PACKET} bytes or carried too many descriptors")
    return Packet(bytes(buffer[:size]), descriptors, pid)


def close_all(descriptors: Sequence[int]) -> None:
    """Close descriptors that came with a packet and have no use."""
    for descriptor in descriptors:
        os.close(descriptor)


def _rights(descriptors: Sequence[int]) -> tuple[int, int, array.array]:
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors)


def _numbers(payload: bytes) -> array.array:
    numbers = array.array("i")
    numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
    return numbers


def _buffer() -> memoryview:
    """This thread's room for a packet; making it anew for each packet takes longer than all else together."""
    try:
        return _room.buffer
    except AttributeError:
        _room.buffer = memoryview(bytearray(MAX_PACKET))
        return _room.buffer


def _framed(descriptor: int) -> "_FramedSocket":
    return _FramedSocket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)


class _FramedSocket(socket.socket):
    """A stream socket whose two sides write and read whole packets only."""

    def send_frame(self, data: bytes, descriptors: Sequence[int], *, wait: bool) -> None:
        """What `send_packet` says."""
        frame = _FRAME.pack(len(data), os.getpid(), len(descriptors)) + data
        flags = 0 if wait else _NO_WAIT
        # A part of a packet must not be followed by another packet: once begun, it is sent to its end.
        sent = self.sendmsg([frame], [_rights(descriptors)] if descriptors else [], flags)
        deadline = time.monotonic() + _REST_SECONDS
        while sent < len(frame):
            self._ready(select.POLLOUT, deadline)
            sent += self.send(frame[sent:], socket.MSG_DONTWAIT)
        if descriptors:
            # macOS may lose descriptors that are on their way when their sender closes them.
            self._ready(select.POLLIN, deadline)
            if self.recv(1) != _RECEIVED:
                raise ConnectionAbortedError("the other side did not take the descriptors")

    def receive_frame(self) -> Packet:
        """What `receive` says."""
        head, ancillary, flags, _ = self.recvmsg(_FRAME.size, _RIGHTS_ROOM)
        descriptors = [
            number
            for level, kind, payload in ancillary
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for number in _numbers(payload)
        ]
        for number in descriptors:
            os.set_inheritable(number, False)
        if not head:
            return Packet(b"", descriptors, None)
        deadline = time.monotonic() + _REST_SECONDS
        try:
            size, pid, count = _FRAME.unpack(head + self._exactly(_FRAME.size - len(head), deadline))
            if size > MAX_PACKET:
                raise ProtocolError(f"a packet of {size} bytes was announced, longer than {MAX_PACKET}")
            data = self._exactly(size, deadline)
            if count:
                self.send(_RECEIVED)
            if count != len(descriptors) or flags & socket.MSG_CTRUNC:
                raise ProtocolError(f"of {count} descriptors {len(descriptors)} arrived")
        except (OSError, ProtocolError):
            close_all(descriptors)
            raise
        return Packet(data, descriptors, pid)

    def _exactly(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            self._ready(select.POLLIN, deadline)
            part = self.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("the other side ended in the middle of a packet")
            parts += part
        return bytes(parts)

    def _ready(self, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(self, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError("the other side stopped in the middle of a packet")
