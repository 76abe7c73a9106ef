"""Tree records as bytes: a versioned msgpack stream.

The file is a header `{format, version, trees}` and then that many trees. Arrays are raw little-endian bytes:
token ids int32, everything else float32. No Python objects, so a file from a stranger can be read safely.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import ArrayLike, NDArray

from appo_agent.disk import writing
from appo_agent.errors import RecordError
from appo_agent.training.record import (
    RolloutRecord,
    SpanRecord,
    TokenArrays,
    TreeRecord,
    TurnRecord,
)
from appo_agent.types import BranchPoint, TokenSpan
from appo_envs.messages import ToolCall

RECORD_VERSION = 1
"""Version of the layout; a file of another version is refused."""

_FORMAT = "appo tree records"
_IDS, _FLOATS = np.dtype("<i4"), np.dtype("<f4")


def write_records(path: Path, records: Sequence[TreeRecord]) -> None:
    """Write a file of tree records; it appears under its name only when it is whole.

    Raises:
        RunError: the disk refused.
        ValueError: a token id does not fit 32 bits.
    """
    partial = path.with_name(f".{path.name}.partial")
    with writing(path):
        with partial.open("wb") as stream:
            stream.write(_pack({"format": _FORMAT, "version": RECORD_VERSION, "trees": len(records)}))
            for record in records:
                stream.write(_pack(_from_tree(record)))
        os.replace(partial, path)


def read_records(path: Path) -> list[TreeRecord]:
    """Read what `write_records` wrote.

    Raises:
        RecordError: missing, not a record file, of another version, or damaged.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise RecordError(f"cannot read the records {path}: {error.strerror}") from error
    with stream:
        # Limit 0 stands for msgpack's largest, 4 GiB; the default of 100 MiB is one step of a large run.
        unpacker = msgpack.Unpacker(stream, max_buffer_size=0)
        expected = _read_header(unpacker, path)
        records: list[TreeRecord] = []
        while len(records) < expected:
            try:
                records.append(_to_tree(unpacker.unpack()))
            except msgpack.OutOfData as error:
                raise RecordError(f"{path} is cut off: expected {expected} trees, found {len(records)}") from error
            except (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException) as error:
                raise RecordError(f"{path}: tree {len(records)} is damaged: {error}") from error
        return records


def _pack(value: object) -> bytes:
    return msgpack.packb(value) or b""


def _read_header(unpacker: msgpack.Unpacker, path: Path) -> int:
    try:
        header = unpacker.unpack()
    except (ValueError, msgpack.UnpackException) as error:
        raise RecordError(f"{path} is not a file of tree records: no header") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise RecordError(f"{path} is not a file of tree records: it begins with {str(header)[:60]}")
    if header.get("version") != RECORD_VERSION:
        raise RecordError(
            f"{path} has record version {header.get('version')!r}; "
            f"this release reads version {RECORD_VERSION}: read it with the release that wrote it"
        )
    if not isinstance(header.get("trees"), int):
        raise RecordError(f"{path}: its header does not say how many trees follow")
    return header["trees"]


def _from_tree(record: TreeRecord) -> dict[str, object]:
    return {
        "task_id": record.task_id,
        "prompt": _from_span(record.prompt),
        "rollouts": [_from_rollout(rollout) for rollout in record.rollouts],
    }


def _to_tree(value: Mapping[str, Any]) -> TreeRecord:
    return TreeRecord(
        task_id=value["task_id"],
        prompt=_to_span(value["prompt"]),
        rollouts=tuple(_to_rollout(rollout) for rollout in value["rollouts"]),
    )


def _from_rollout(record: RolloutRecord) -> dict[str, object]:
    origin = record.origin
    return {
        "id": record.id,
        "origin": None if origin is None else [origin.parent, origin.turn, origin.token, origin.score],
        "reward": record.reward,
        "terminated": record.terminated,
        "truncated": record.truncated,
        "error": record.error,
        "policy_version": record.policy_version,
        "turns": [_from_turn(turn) for turn in record.turns],
        "arrays": {name: _to_bytes(array, _FLOATS) for name, array in record.arrays.known().items()},
    }


def _to_rollout(value: Mapping[str, Any]) -> RolloutRecord:
    arrays = {name: _to_array(data, _FLOATS) for name, data in value["arrays"].items()}
    return RolloutRecord(
        id=value["id"],
        origin=None if value["origin"] is None else BranchPoint(*value["origin"]),
        reward=value["reward"],
        terminated=value["terminated"],
        truncated=value["truncated"],
        error=value["error"],
        policy_version=value["policy_version"],
        turns=tuple(_to_turn(turn) for turn in value["turns"]),
        arrays=TokenArrays(**arrays),
    )


def _from_turn(record: TurnRecord) -> dict[str, object]:
    return {
        "action": _from_span(record.action),
        "observation": _from_span(record.observation),
        "reward": record.reward,
        "tool_calls": [
            [call.tool, call.arguments, call.result, call.is_error, call.seconds] for call in record.tool_calls
        ],
    }


def _to_turn(value: Mapping[str, Any]) -> TurnRecord:
    return TurnRecord(
        action=_to_span(value["action"]),
        observation=_to_span(value["observation"]),
        reward=value["reward"],
        tool_calls=tuple(ToolCall(*call) for call in value["tool_calls"]),
    )


def _from_span(record: SpanRecord) -> dict[str, object]:
    span = record.span
    if len(span) and not 0 <= span.token_ids.min() <= span.token_ids.max() < 2**31:
        raise ValueError(f"token ids must fit 32 bits, got {span.token_ids.min()} to {span.token_ids.max()}")
    logprobs = span.behavior_logprobs
    return {
        "author": span.author,
        "token_ids": _to_bytes(span.token_ids, _IDS),
        "behavior_logprobs": None if logprobs is None else _to_bytes(logprobs, _FLOATS),
        "text": record.text,
    }


def _to_span(value: Mapping[str, Any]) -> SpanRecord:
    logprobs = value["behavior_logprobs"]
    span = TokenSpan(
        value["author"],
        _to_array(value["token_ids"], _IDS).astype(np.int64),
        None if logprobs is None else _to_array(logprobs, _FLOATS),
    )
    return SpanRecord(span, value["text"])


def _to_bytes(array: ArrayLike, dtype: np.dtype) -> bytes:
    return np.asarray(array).astype(dtype).tobytes()


def _to_array(data: bytes, dtype: np.dtype) -> NDArray:
    return np.frombuffer(data, dtype)
