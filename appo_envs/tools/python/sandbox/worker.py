"""The loop of one session: take a request from the trainer, run code or fork, answer.

Owns what a fork must put right in the child: its channel and its open files. The process is
set up by `template`; what its own code is allowed to do was fixed before this loop starts.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import types
from typing import NoReturn

from .cell import Interpreter
from .descriptors import CHANNEL, move_descriptor
from .fork import fork
from .packets import ProtocolError, close_all, open_channel, receive
from .settings import Limits
from .tree import TreeError
from .wire import Failed, Fork, Forked, Hello, Proceed, Ran, Run, decode, send
from .workplace import Workplace


def new_interpreter(limits: Limits) -> Interpreter:
    """An interpreter whose namespace is an empty `__main__`, which becomes that of this process."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    return Interpreter(vars(main), limits)


def serve(channel: socket.socket, workplace: Workplace, interpreter: Interpreter) -> NoReturn:
    """Answer the trainer's requests until it closes the channel; never returns."""
    while True:
        try:
            packet = receive(channel)
        except ProtocolError:
            send(channel, Failed("the session has too many files open"))
            continue
        if not packet.data:
            os._exit(0)
        request = decode(packet.data, Run, Fork)
        if isinstance(request, Run):
            _run(channel, interpreter, request)
        else:
            channel, workplace = _fork(channel, workplace, request, packet.descriptors)


def _run(channel: socket.socket, interpreter: Interpreter, request: Run) -> None:
    outcome = interpreter.run(request.code, request.seconds)
    try:
        send(channel, Ran(request.number, *outcome))
    except ProtocolError:
        # Texts full of control characters grow sixfold on the wire.
        error = "OutputError: what the code printed is too large to send"
        send(channel, Ran(request.number, "", None, error, outcome.timed_out, outcome.threads))


def _fork(
    channel: socket.socket, workplace: Workplace, request: Fork, ends: list[int]
) -> tuple[socket.socket, Workplace]:
    """Fork once for each channel end; returns in the parent and in every fork, each with its own channel."""
    # The forks of a session are reaped by the kernel, whatever the session's code did to the signal.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    error, made = None, 0
    for end, scratch in zip(ends, request.scratches, strict=True):
        try:
            pid = fork()
        except OSError as trouble:
            error = f"fork: {trouble.strerror}"
            break
        if pid == 0:
            channel.detach()
            return _begin_fork(workplace, end, ends, scratch)
        made += 1
    close_all(ends)
    send(channel, Forked(request.number, made, error))
    return channel, workplace


def _begin_fork(workplace: Workplace, end: int, ends: list[int], scratch: str) -> tuple[socket.socket, Workplace]:
    """Make this process, just forked, a session of its own.

    The parent still holds `end`, so it serves for one greeting only: the answer brings a channel that the
    trainer made afterwards, and the second greeting comes on that one.
    """
    close_all([other for other in ends if other != end])
    move_descriptor(end, CHANNEL)
    channel = open_channel(CHANNEL)
    try:
        own = workplace.leave(scratch)
        send(channel, Hello(1))
        packet = receive(channel)
        proceed = decode(packet.data, Proceed)
        channel.detach()
        move_descriptor(packet.descriptors[0], CHANNEL)
        channel = open_channel(CHANNEL)
        own.settle(proceed)
    except (OSError, TreeError) as error:
        send(channel, Failed(f"the fork's files: {error}"))
        os._exit(1)
    send(channel, Hello(2))
    return channel, own
