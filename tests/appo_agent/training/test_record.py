"""Tree records: what a live tree becomes, the exact round trip through a file, and damaged files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appo_agent.errors import RecordError
from appo_agent.training.record import (
    RolloutRecord,
    SpanRecord,
    TokenArrays,
    TreeRecord,
    TurnRecord,
    record_tree,
)
from appo_agent.training.record_file import RECORD_VERSION, read_records, write_records
from appo_agent.types import BranchPoint, Rollout, RolloutTree, TokenSpan, Turn
from appo_envs import Task
from appo_envs.messages import ToolCall


def _decode(token_ids: Sequence[int]) -> str:
    return " ".join(map(str, token_ids))


def _policy(*ids: int) -> TokenSpan:
    return TokenSpan("policy", np.array(ids), -np.arange(1, len(ids) + 1, dtype=np.float32))


def _tree() -> RolloutTree:
    env = TokenSpan("env", np.array([8, 9]))
    nothing = TokenSpan("env", np.array([], np.int64))
    search = ToolCall("search", "größe", "found", False, 0.25)
    first = (Turn(_policy(1, 2, 3), env, 0.0, tool_calls=(search,)), Turn(_policy(4), nothing, 1.0))
    rollouts = (
        Rollout("r0", first, None, True, False, policy_version=3),
        Rollout("r1", (), None, False, False, policy_version=3, error="EnvError: gone"),
        Rollout(
            "r0.b0",
            (Turn(_policy(5), nothing, -1.0),),
            BranchPoint("r0", 0, 1, 2.5),
            False,
            True,
            policy_version=4,
        ),
    )
    task = Task("task-7", "question", "answer", {})
    return RolloutTree(task, TokenSpan("prompt", np.array([7, 7])), rollouts)


def _assert_equal(left: object, right: object) -> None:
    """Deep equality with dtypes; the records hold arrays and therefore have no == of their own."""
    assert type(left) is type(right)
    if is_dataclass(left) and not isinstance(left, type):
        for entry in fields(left):
            _assert_equal(getattr(left, entry.name), getattr(right, entry.name))
    elif isinstance(left, tuple) and isinstance(right, tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            _assert_equal(one, other)
    elif isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    else:
        assert left == right


def test_record_of_a_tree_says_what_happened() -> None:
    record = record_tree(_tree(), _decode, {"r0": TokenArrays(entropies=np.arange(4, dtype=np.float32))})
    assert record.task_id == "task-7"
    assert record.prompt.text == "7 7"
    first, broken, branch = record.rollouts
    assert [turn.action.text for turn in first.turns] == ["1 2 3", "4"]
    assert first.turns[0].observation.text == "8 9"
    assert first.turns[0].tool_calls == (ToolCall("search", "größe", "found", False, 0.25),)
    assert (first.reward, first.terminated, first.policy_version) == (1.0, True, 3)
    assert first.arrays.known().keys() == {"entropies"}
    assert (broken.error, broken.turns) == ("EnvError: gone", ())
    assert branch.origin == BranchPoint("r0", 0, 1, 2.5)
    assert (branch.reward, branch.truncated) == (-1.0, True)


def test_arrays_must_fit_their_rollout() -> None:
    with pytest.raises(ValueError, match="rollout r0: 4 policy tokens but 2 omega"):
        record_tree(_tree(), _decode, {"r0": TokenArrays(omega=np.ones(2, np.float32))})
    with pytest.raises(ValueError, match=r"arrays for rollouts that it does not have: \['r9'\]"):
        record_tree(_tree(), _decode, {"r9": TokenArrays()})
    with pytest.raises(ValueError, match="omega must be one-dimensional"):
        TokenArrays(omega=np.ones((2, 2), np.float32))


def test_tool_call_of_another_kind_is_refused() -> None:
    turn = replace(_tree().rollouts[0].turns[0], tool_calls=(("search", "x", "y", 1.0),))
    tree = replace(_tree(), rollouts=(replace(_tree().rollouts[0], turns=(turn,)),))
    with pytest.raises(TypeError, match="rollout r0: expected an appo_envs ToolCall"):
        record_tree(tree, _decode)


def test_records_round_trip_through_a_file(tmp_path: Path) -> None:
    values = np.array([0.1, -np.inf, np.nan, 1e-30], np.float32)
    arrays = TokenArrays(values, values * 2, values * 3, values * 4, values * 5, values * 6)
    record = record_tree(_tree(), _decode, {"r0": arrays})
    write_records(tmp_path / "step_000001.msgpack", [record, record])
    again = read_records(tmp_path / "step_000001.msgpack")
    assert len(again) == 2
    for read in again:
        _assert_equal(read, record)
    assert [path.name for path in tmp_path.iterdir()] == ["step_000001.msgpack"]


_text = st.text(st.characters(codec="utf-8"), max_size=5)
_indices = st.integers(0, 2**40)
_float32 = st.floats(width=32)


@st.composite
def _spans(draw: st.DrawFn, author: str) -> SpanRecord:
    ids = draw(st.lists(st.integers(0, 2**31 - 1), max_size=4))
    logprobs = [draw(st.floats(-100, 0, width=32)) for _ in ids] if author == "policy" else None
    return SpanRecord(TokenSpan(author, np.array(ids, np.int64), logprobs), draw(_text))  # pyright: ignore


@st.composite
def _rollouts(draw: st.DrawFn) -> RolloutRecord:
    calls = st.builds(ToolCall, _text, _text, _text, st.booleans(), st.floats(0, 9))
    turn = st.builds(
        TurnRecord, _spans("policy"), _spans("env"), st.floats(-9, 9), st.lists(calls, max_size=2).map(tuple)
    )
    turns = tuple(draw(st.lists(turn, max_size=3)))
    tokens = sum(len(turn.action.span) for turn in turns)
    per_token = st.none() | st.lists(_float32, min_size=tokens, max_size=tokens).map(
        lambda values: np.array(values, np.float32)
    )
    return RolloutRecord(
        id=draw(_text),
        origin=draw(st.none() | st.builds(BranchPoint, _text, _indices, _indices, st.floats(-9, 9))),
        reward=draw(st.floats(-9, 9)),
        terminated=draw(st.booleans()),
        truncated=draw(st.booleans()),
        error=draw(st.none() | _text),
        policy_version=draw(st.integers(-1, 2**40)),
        turns=turns,
        arrays=TokenArrays(draw(per_token), draw(per_token), advantages=draw(per_token)),
    )


@settings(max_examples=40)
@given(
    records=st.lists(
        st.builds(TreeRecord, _text, _spans("prompt"), st.lists(_rollouts(), max_size=2).map(tuple)),
        max_size=2,
    )
)
def test_any_record_survives_the_file(records: list[TreeRecord], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.msgpack"
    write_records(path, records)
    _assert_equal(tuple(read_records(path)), tuple(records))


def test_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.msgpack"
    write_records(path, [record_tree(_tree(), _decode)] * 2)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match="is cut off: expected 2 trees, found [01]|no header"):
            read_records(path)


def test_unknown_version_says_so(tmp_path: Path) -> None:
    path = tmp_path / "records.msgpack"
    write_records(path, [])
    header = msgpack.unpackb(path.read_bytes())
    path.write_bytes(msgpack.packb(header | {"version": RECORD_VERSION + 1}) or b"")
    with pytest.raises(RecordError, match=f"record version {RECORD_VERSION + 1}; .* reads version {RECORD_VERSION}"):
        read_records(path)


@pytest.mark.parametrize("content", [b"", b"\x93", b"text", msgpack.packb({"format": "other"})])
def test_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "records.msgpack"
    path.write_bytes(content)
    with pytest.raises(RecordError, match="is not a file of tree records"):
        read_records(path)


def test_damaged_tree_and_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "records.msgpack"
    write_records(path, [record_tree(_tree(), _decode)])
    path.write_bytes(path.read_bytes().replace(b"rollouts", b"bollards"))
    with pytest.raises(RecordError, match="records.msgpack: tree 0 is damaged"):
        read_records(path)
    with pytest.raises(RecordError, match="cannot read the records"):
        read_records(tmp_path / "none")


def test_token_id_beyond_32_bits_is_refused(tmp_path: Path) -> None:
    tree = replace(_tree(), prompt=TokenSpan("prompt", np.array([2**31])))
    with pytest.raises(ValueError, match="must fit 32 bits"):
        write_records(tmp_path / "records.msgpack", [record_tree(tree, _decode)])
