"""The wire protocol: what it carries, and what it makes of forged packets."""

from __future__ import annotations

import array
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.tools.python.sandbox.isolation.features import FeatureReport
from appo_envs.tools.python.sandbox.packets import (
    MAX_DESCRIPTORS,
    MAX_PACKET,
    Pair,
    ProtocolError,
    close_all,
    framed_pair,
    open_channel,
    packet_pair,
    receive,
)
from appo_envs.tools.python.sandbox.wire import (
    Fork,
    Hello,
    OpenFile,
    Probed,
    Proceed,
    Ran,
    Run,
    decode,
    encode,
    send,
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def test_message_is_a_list_that_starts_with_its_kind():
    assert json.loads(encode(Run(7, "1 + 1", 2.5))) == ["Run", 7, "1 + 1", 2.5]
    assert decode(b'["Run", 7, "1 + 1", 2.5]', Run) == Run(7, "1 + 1", 2.5)


def test_rows_inside_messages_come_back_as_rows():
    proceed = Proceed([OpenFile(5, "/tmp/x", 2, 10, False)], [6, 7])
    assert decode(encode(proceed), Proceed) == proceed
    probed = Probed([FeatureReport("mnt", True, "why")])
    assert decode(encode(probed), Fork, Probed) == probed


@given(st.builds(Ran))
def test_every_message_comes_back_as_it_was_sent(ran):
    assert decode(encode(ran), Ran) == ran


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'"Ran"',
        b'["Ran"]',
        b'["Hello", 1]',
        b'["Ran", 1, "", null, null, false]',
        b'["Ran", 1, "", null, null, false, 1, 2]',
        b'["Ran", true, "", null, null, false, 1]',
        b'["Ran", 1.0, "", null, null, false, 1]',
        b'["Ran", 1, null, null, null, false, 1]',
        b'["Ran", 1, "", 5, null, false, 1]',
        b'["Ran", 1, "", null, null, 0, 1]',
        b'["Ran", ' + b"9" * 5000 + b', "", null, null, false, 1]',
        b"\xff\xfe",
        b"[" * 100_000,
        b'[["Ran"], 1, "", null, null, false, 1]',
    ],
)
def test_anything_but_the_expected_message_is_refused(data):
    with pytest.raises(ProtocolError):
        decode(data, Ran)


@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise_anything_but_a_protocol_error(data):
    for kinds in ((Ran,), (Run, Fork), (Proceed,), (Hello,), (Probed,)):
        try:
            message = decode(data, *kinds)
        except ProtocolError:
            continue
        assert type(message) in kinds


@given(st.lists(_JSON, max_size=8))
def test_fields_of_every_type_are_checked(fields):
    data = json.dumps(["Ran", *fields]).encode()
    try:
        ran = decode(data, Ran)
    except ProtocolError:
        return
    assert [type(ran.number), type(ran.stdout), type(ran.timed_out), type(ran.threads)] == [int, str, bool, int]


def test_too_long_message_is_refused_by_the_sender():
    with pytest.raises(ProtocolError, match="409600 bytes"):
        encode(Run(1, "x" * MAX_PACKET, 1.0))


@pytest.fixture(params=[packet_pair, framed_pair])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Both kinds of channels."""
    if request.param is packet_pair and sys.platform != "linux":
        pytest.skip("packet sockets need Linux")
    ours, theirs = request.param()
    with ours, theirs:
        yield ours, theirs


def test_packet_carries_descriptors_and_the_word_for_the_sender(pair):
    ours, theirs = pair
    with open(os.devnull) as file:
        # A framed channel's sender waits until its descriptors are taken.
        sender = threading.Thread(target=send, args=(theirs, Hello(1), (file.fileno(),)))
        sender.start()
        packet = receive(ours)
        sender.join()
        assert (decode(packet.data, Hello), packet.pid) == (Hello(1), os.getpid())
        (copy,) = packet.descriptors
        assert os.fstat(copy).st_rdev == os.fstat(file.fileno()).st_rdev and not os.get_inheritable(copy)
        close_all(packet.descriptors)


def test_closed_channel_reads_as_an_empty_packet(pair):
    ours, theirs = pair
    theirs.close()
    assert receive(ours).data == b""


@pytest.mark.skipif(sys.platform != "linux", reason="packet sockets need Linux")
@pytest.mark.parametrize("excess", ["bytes", "descriptors"])
def test_oversized_packet_is_refused_and_its_descriptors_are_closed(excess):
    ours, theirs = packet_pair()
    with ours, theirs:
        count = MAX_DESCRIPTORS * 2 if excess == "descriptors" else 1
        data = b"x" * (MAX_PACKET + 1 if excess == "bytes" else 1)
        rights = array.array("i", [theirs.fileno()] * count)
        theirs.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ProtocolError, match="longer than"):
            receive(ours)
        assert len(os.listdir("/proc/self/fd")) == before


def test_two_messages_stay_two_packets(pair):
    ours, theirs = pair
    send(theirs, Hello(1))
    send(theirs, Hello(2))
    assert [decode(receive(ours).data, Hello).stage for _ in range(2)] == [1, 2]


def test_largest_packet_goes_through_without_waiting_for_a_reader(pair):
    ours, theirs = pair
    send(theirs, Run(1, "x" * (MAX_PACKET - 100), 1.0), wait=False)
    assert len(decode(receive(ours).data, Run).code) == MAX_PACKET - 100


def test_channel_with_no_room_is_told_and_not_waited_for(pair):
    ours, theirs = pair
    with pytest.raises(BlockingIOError):
        for _ in range(10_000):
            send(theirs, Run(1, "x" * 1000, 1.0), wait=False)


def test_channel_that_came_as_a_descriptor_is_of_the_right_kind(pair):
    ours, theirs = pair
    with open_channel(os.dup(theirs.fileno())) as again:
        send(again, Hello(3))
        assert decode(receive(ours).data, Hello) == Hello(3)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\0\0\0\5\0\0", ConnectionResetError),
        (b"\0\0\0\5\0\0\0\1\0\0abc", ConnectionResetError),
        (b"\xff\xff\xff\xff\0\0\0\1\0\0", ProtocolError),
        (b"\0\0\0\1\0\0\0\1\0\2x", ProtocolError),
    ],
)
def test_broken_frame_is_an_error(data, error):
    ours, theirs = framed_pair()
    with ours:
        theirs.send(data)
        theirs.shutdown(socket.SHUT_WR)
        with theirs, pytest.raises(error):
            receive(ours)
