"""The loop of one session: take a request from the trainer, run code or fork, answer.

Owns what a fork must put right in the child: its channel and its open files. The process is
set up by `template`; what its own code is allowed to do was fixed before this loop starts.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import os
import signal
import socket
import sys
import types
from typing import NoReturn

from .cell import Interpreter
from .descriptors import move_descriptor
from .fork import fork
from .packets import Packet, ProtocolError, close_all, receive, send_packet
from .settings import Limits
from .tree import TreeError
from .wire import Explain, Explained, Failed, Fork, Hello, Proceed, Ran, Run, decode, encode, send
from .workplace import Workplace

# As plain numbers: enumerations are made and taken apart in a handful of calls.
_CHILD_ENDED, _IGNORE = int(signal.SIGCHLD), int(signal.SIG_IGN)
# Whatever a fork touches is copied first, so what can be made before is.
_FIRST_GREETING, _SECOND_GREETING = encode(Hello(1)), encode(Hello(2))
_NOTHING_OPEN = Proceed([], [])
_NOTHING_OPEN_DATA = encode(_NOTHING_OPEN)


def new_interpreter(limits: Limits) -> Interpreter:
    """An interpreter whose namespace is an empty `__main__`, which becomes that of this process."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    return Interpreter(vars(main), limits)


def serve(channel: socket.socket, workplace: Workplace, interpreter: Interpreter) -> NoReturn:
    """Answer the trainer's requests until it closes the channel; never returns.

    Args:
        channel: a socket on the descriptor `CHANNEL`, behind which a fork puts its own channel.
        workplace: where the session's files lie.
        interpreter: of its code.
    """
    trouble = None
    while True:
        try:
            packet = receive(channel)
        except ProtocolError:
            # Channels for forks found no place.
            trouble = "the session has too many files open"
            continue
        if not packet.data:
            os._exit(0)
        match decode(packet.data, Run, Fork, Explain):
            case Run() as request:
                _run(channel, interpreter, request)
            case Fork(scratches):
                workplace, trouble = _fork(channel, workplace, packet.descriptors, scratches)
            case Explain(number):
                send(channel, Explained(number, trouble))


def _run(channel: socket.socket, interpreter: Interpreter, request: Run) -> None:
    outcome = interpreter.run(request.code, request.seconds)
    try:
        send(channel, Ran(request.number, *outcome))
    except ProtocolError:
        # Texts full of control characters grow sixfold on the wire.
        error = "OutputError: what the code printed is too large to send"
        send(channel, Ran(request.number, "", None, error, outcome.timed_out, outcome.threads))


def _fork(
    channel: socket.socket, workplace: Workplace, ends: list[int], scratches: list[str]
) -> tuple[Workplace, str | None]:
    """Fork once for each channel end; returns in the parent and in every fork, where `channel` is its own.

    The parent keeps quiet: whatever it did now, it would do at the expense of its forks, whose memory it would have
    to copy and whose greetings the trainer waits for.

    Returns:
        The workplace, and what stopped the rest of the forks.
    """
    # The forks of a session are reaped by the kernel, whatever the session's code did to the signal.
    _signal.signal(_CHILD_ENDED, _IGNORE)
    trouble = None
    for end, scratch in zip(ends, scratches, strict=True):
        try:
            pid = fork()
        except OSError as error:
            trouble = f"no process can be made for a fork: {error.strerror}"
            break
        if pid == 0:
            for other in ends:
                if other != end:
                    os.close(other)
            return begin_fork(channel, workplace, end, scratch), None
    close_all(ends)
    return workplace, trouble


def begin_fork(channel: socket.socket, workplace: Workplace, end: int, scratch: str) -> Workplace:
    """Make this process, just forked, a session of its own.

    The parent still holds `end`, so it serves for one greeting only: the answer brings a channel that the
    trainer made afterwards, and the second greeting comes on that one. Each in turn takes the descriptor that
    `channel` is a socket on.
    """
    move_descriptor(end, channel.fileno())
    try:
        own = workplace.leave(scratch)
        send_packet(channel, _FIRST_GREETING, (), wait=True)
        packet = receive(channel)
        move_descriptor(packet.descriptors[0], channel.fileno())
        own.settle(_what_is_open(packet))
    except (OSError, TreeError) as error:
        send(channel, Failed(f"the fork's files: {error}"))
        os._exit(1)
    send_packet(channel, _SECOND_GREETING, (), wait=True)
    return own


def _what_is_open(packet: Packet) -> Proceed:
    return _NOTHING_OPEN if packet.data == _NOTHING_OPEN_DATA else decode(packet.data, Proceed)
