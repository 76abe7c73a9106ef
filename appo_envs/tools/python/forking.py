"""Forking a session's process, seen from the trainer.

Owns the handshake: n channels go in, every fork greets on its own, gets its surroundings and a second channel
that its parent never held (from the template, if /tmp is private), and greets again on that one. What the fork does
meanwhile is in `sandbox.worker`.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import ExitStack
from typing import NamedTuple

from .errors import SandboxError
from .inspection import HasThreads, SharedWithParent, check_own_mounts, inspect_fork
from .process import Identity, ProcessLost, ProcessRefused, SessionProcess
from .sandbox.packets import Packet, ProtocolError, close_all, receive
from .sandbox.text import claimed_reason
from .sandbox.wire import Explain, Explained, Failed, Fork, Furnished, Hello, Proceed, decode, send
from .template_process import TemplateError

# Copying a full /tmp takes a noticeable part of a second.
_FORK_SECONDS, _SECONDS_PER_FORK = 5.0, 0.5
# Every fork costs the parent a descriptor while it is made.
_MOST_AT_ONCE = 32


class ForkFailed(SandboxError):
    """Not all forks could be made, for a reason that lies in the session, and none is left.

    The parent lives on unless it misbehaved.
    """


class _Birth(NamedTuple):
    """A fork that has greeted, its surroundings if /tmp is private, and the inode of its own channel."""

    process: SessionProcess
    furnished: Furnished | None
    channel: int


class _Unborn(Exception):
    """A fork ended, or could not set itself up, before its second greeting."""


class _NoRoom(_Unborn):
    """The trainer has no descriptors left for a fork."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the trainer cannot open more channels: {error.strerror}")


def fork_process(parent: SessionProcess, count: int) -> list[SessionProcess]:
    """Fork `parent` `count` times.

    Raises:
        ForkFailed: not all forks could be made; the parent is ended if it broke the protocol.
        ProcessLost: the parent had ended before, or ended meanwhile.
        SandboxError: the trainer cannot open more channels, or the template is gone.
    """
    forks: list[SessionProcess] = []
    try:
        while len(forks) < count:
            forks += _fork_batch(parent, min(_MOST_AT_ONCE, count - len(forks)))
    except BaseException:
        _end_all(forks)
        raise
    return forks


def _fork_batch(parent: SessionProcess, count: int) -> list[SessionProcess]:
    nursery = parent.nursery
    deadline = time.monotonic() + _FORK_SECONDS + count * _SECONDS_PER_FORK
    births: list[_Birth] = []
    with parent.lock, ExitStack() as opened:
        try:
            pairs = [nursery.system.channel_pair() for _ in range(count)]
        except OSError as error:
            raise SandboxError(str(_NoRoom(error))) from error
        for end in (end for pair in pairs for end in pair):
            opened.enter_context(end)
        scratches = [nursery.new_scratch(parent.identity.scratch) for _ in pairs]
        mounts: set[int] = set()
        try:
            with nursery.permit(parent.identity.pid, count):
                parent.ask(Fork(scratches), tuple(theirs.fileno() for _, theirs in pairs))
                for _, theirs in pairs:
                    theirs.close()
                for (first, _), scratch in zip(pairs, scratches, strict=True):
                    births.append(_welcome(first, scratch, parent, mounts, deadline))
                for birth in births:
                    _second_greeting(birth, deadline)
        except (ProtocolError, OSError) as error:
            _undo(parent, births, scratches, with_parent=True)
            raise ForkFailed(f"a fork broke the protocol, its parent was ended: {error}") from error
        except ProcessLost:
            _undo(parent, births, scratches)
            raise
        except (_Unborn, KeyboardInterrupt) as trouble:
            try:
                # Not only to know it: what it forks, it has forked by then.
                told = _told_by_parent(parent, deadline)
            finally:
                _undo(parent, births, scratches)
            if isinstance(trouble, KeyboardInterrupt):
                raise
            kind = SandboxError if isinstance(trouble, _NoRoom) else ForkFailed
            raise kind(claimed_reason(told) if told else str(trouble)) from trouble
    return [birth.process for birth in births]


def _told_by_parent(parent: SessionProcess, deadline: float) -> str | None:
    """What the parent itself says about forks that were not born."""
    number = parent.next_number()
    parent.ask(Explain(number))
    try:
        return parent.answer(Explained, number, deadline).error
    except ProcessRefused as refusal:
        return str(refusal)


def _welcome(first: socket.socket, scratch: str, parent: SessionProcess, mounts: set[int], deadline: float) -> _Birth:
    """Take the first greeting, and have the fork get its surroundings and its own channel."""
    nursery = parent.nursery
    with ExitStack() as failing:
        # Made while the fork is: it is on its way already.
        try:
            ours, theirs = nursery.system.channel_pair()
        except OSError as error:
            raise _NoRoom(error) from error
        failing.callback(ours.close)
        with theirs:
            channel = os.fstat(theirs.fileno()).st_ino
            pid = _greeting(first, 1, deadline).pid
            if pid is None or pid in nursery.live:
                raise ProtocolError(f"a greeting came from process {pid}, which is no new fork")
            try:
                handle = nursery.hold(pid, ours)
            except ProcessLookupError as error:
                raise _Unborn("a fork ended after it greeted") from error
            except OSError as error:
                raise _NoRoom(error) from error
            failing.callback(handle.close)
            failing.callback(handle.kill)
            if not scratch:
                _check_mounts(pid, parent, mounts)
            try:
                furnished = nursery.furnish(handle, parent.stacked, (first, theirs))
            except TemplateError as error:
                raise _Unborn(f"a fork cannot be given its own files: {error}") from error
            if furnished is None:
                try:
                    send(first, Proceed([], []), (theirs.fileno(),), wait=False)
                except OSError as error:
                    raise _Unborn("a fork ended after it greeted") from error
        # Meanwhile the fork goes on.
        process = SessionProcess(ours, Identity(pid, scratch, max(0, parent.threads - 1)), handle, nursery)
        failing.pop_all()
    return _Birth(process, furnished, channel)


def _check_mounts(pid: int, parent: SessionProcess, mounts: set[int]) -> None:
    try:
        check_own_mounts(pid, parent.identity.pid, mounts)
    except SharedWithParent as error:
        raise ProtocolError(f"a fork is not on its own: {error}") from error
    except HasThreads as error:
        raise _Unborn(f"a fork is of no use: {error}") from error
    except OSError as error:
        raise _Unborn("a fork ended after it greeted") from error


def _second_greeting(birth: _Birth, deadline: float) -> None:
    """Take the greeting on the fork's own channel, and check that it is on its own."""
    process, furnished, channel = birth
    packet = _greeting(process.channel, 2, deadline)
    if packet.pid != process.identity.pid:
        raise ProtocolError(f"process {packet.pid} greeted in the place of {process.identity.pid}")
    process.channel.settimeout(None)
    if furnished is not None:
        process.stacked = furnished.stacked
        try:
            inspect_fork(process.identity.pid, furnished, channel, deadline)
        except SharedWithParent as error:
            raise ProtocolError(f"a fork is not on its own: {error}") from error


def _greeting(channel: socket.socket, stage: int, deadline: float) -> Packet:
    channel.settimeout(max(0.001, deadline - time.monotonic()))
    try:
        packet = receive(channel)
    except TimeoutError:
        raise _Unborn("a fork did not greet in time") from None
    if not packet.data:
        raise _Unborn("a fork ended before it greeted")
    close_all(packet.descriptors)
    message = decode(packet.data, Hello, Failed)
    if isinstance(message, Failed):
        raise _Unborn(claimed_reason(message.reason))
    if message.stage != stage or packet.descriptors:
        raise ProtocolError(f"expected greeting {stage} alone, got {message} and {packet.descriptors}")
    return packet


def _undo(parent: SessionProcess, births: list[_Birth], scratches: list[str], *, with_parent: bool = False) -> None:
    """Leave nothing of forks that failed: end those that are known, and find those that are not."""
    if with_parent:
        # Before the search, which would miss a fork that it makes meanwhile.
        parent.end()
    try:
        parent.nursery.sweep(parent.identity.pid)
    finally:
        _end_all([birth.process for birth in births])
        for scratch in filter(None, scratches):
            shutil.rmtree(scratch, ignore_errors=True)


def _end_all(processes: list[SessionProcess]) -> None:
    for process in processes:
        process.end()
