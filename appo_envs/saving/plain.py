"""Values as plain JSON and back, exactly, and without running anything that a file says.

Owns the encoding. JSON has no tuples, sets, bytes or values with a name, so these become an object whose one key begins
with "$". Of values with a name, only the kinds listed here are ever made.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from appo_envs.dialects.base import ParsedTurn
from appo_envs.messages import CallRequest, Message, ToolCall
from appo_envs.rendering.view import Ending
from appo_envs.rewards import Outcome
from appo_envs.state import Turn

_RECORDS: Mapping[str, type] = {
    kind.__name__: kind for kind in (CallRequest, Ending, Message, Outcome, ParsedTurn, ToolCall, Turn)
}


def encode(value: object) -> Any:
    """A value as what `json.dumps` takes.

    Raises:
        TypeError: it is of a kind that cannot be written, or holds such a value.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return {"$scalar": [value.dtype.str, encode(value.item())]}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if _RECORDS.get(type(value).__name__) is type(value):
        fields = {name: encode(getattr(value, name)) for name in _field_names(type(value))}
        return {f"${type(value).__name__}": fields}
    return _encode_collection(value)


def _encode_collection(value: object) -> Any:
    # Exact types only, so that a subclass does not come back as something else.
    kind = type(value)
    if isinstance(value, list) and kind is list:
        return [encode(item) for item in value]
    if isinstance(value, tuple) and kind is tuple:
        return {"$tuple": [encode(item) for item in value]}
    if isinstance(value, (set, frozenset)) and kind in (set, frozenset):
        # Sorted, since the order of a set of texts differs from process to process.
        return {f"${kind.__name__}": sorted([encode(item) for item in value], key=repr)}
    if isinstance(value, deque) and kind is deque:
        return {"$deque": [[encode(item) for item in value], value.maxlen]}
    if isinstance(value, dict) and kind is dict:
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: encode(item) for key, item in value.items()}
        return {"$dict": [[encode(key), encode(item)] for key, item in value.items()]}
    raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} cannot be written as JSON: {value!r:.80}")


def decode(form: Any) -> Any:
    """The value that `encode` made a form of.

    Raises:
        ValueError: it is no such form.
    """
    if isinstance(form, list):
        return [decode(item) for item in form]
    if not isinstance(form, dict):
        return form
    (key,) = form if len(form) == 1 else ("",)
    if not key.startswith("$"):
        return {name: decode(item) for name, item in form.items()}
    try:
        return _decode_tagged(key[1:], form[key])
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError(f"malformed value {key}: {error}") from error


def _decode_tagged(tag: str, form: Any) -> Any:
    match tag:
        case "tuple":
            return tuple(decode(form))
        case "set":
            return set(decode(form))
        case "frozenset":
            return frozenset(decode(form))
        case "dict":
            return {decode(key): decode(item) for key, item in form}
        case "deque":
            items, limit = form
            return deque(decode(items), limit)
        case "bytes":
            return base64.b64decode(form, validate=True)
        case "float":
            return float(form)
        case "scalar":
            kind, item = form
            return np.dtype(kind).type(decode(item))
    record = _RECORDS.get(tag)
    if record is None:
        raise ValueError(f"there is no kind of value {tag!r}")
    fields = decode(form)
    if not isinstance(fields, dict) or set(fields) != set(_field_names(record)):
        raise ValueError(f"expected the fields {_field_names(record)}, got {list(fields)}; another version wrote them")
    return record(**fields)


def _field_names(kind: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple([field.name for field in dataclasses.fields(kind)])
    return kind._fields  # pyright: ignore[reportAttributeAccessIssue]
