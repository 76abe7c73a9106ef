"""Arguments of a call as JSON.

Owns how they are read, with leniency, and written, without any. Whether they fit a tool is checked later.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Any

from appo_envs.messages import CallRequest
from appo_envs.tools.strict_json import strict_json

MAX_NESTING = 100
"""Deepest nesting of arguments, lists and objects inside one another.

Far beyond what tools take, and far below where Python's recursion ends, which depends on who calls.
"""
_Collection = dict[Any, object] | list[object] | tuple[object, ...]


def read_arguments(written: object) -> dict[str, object]:
    """Arguments by name from what stands for them.

    Models also write the object once more as a string, as the OpenAI API does, and nothing for no arguments.

    Args:
        written: a JSON value.

    Raises:
        ValueError: it is no object, or is nested too deeply; the text says so about "its arguments".
    """
    if written is None or written == "":
        return {}
    if isinstance(written, str):
        try:
            written = strict_json(written)
        except ValueError as error:
            raise ValueError("its arguments are no object") from error
    if not isinstance(written, dict):
        raise ValueError("its arguments are no object")
    if is_deep(written):
        raise ValueError("its arguments are nested too deeply")
    return written


def is_deep(arguments: str | Mapping[str, object]) -> bool:
    """Whether arguments by name are nested more than `MAX_NESTING` deep, as those that contain themselves are."""
    if not isinstance(arguments, Mapping):
        return False
    level = _collections(arguments.values())
    for _ in range(MAX_NESTING - 1):
        if not level:
            return False
        members = [outer.values() if isinstance(outer, dict) else outer for outer in level]
        level = _collections(chain.from_iterable(members))
    return bool(level)


def write_arguments(call: CallRequest) -> str:
    """The arguments of a call as a JSON object.

    Raises:
        ValueError: they are text, or no JSON values.
    """
    if not isinstance(call.arguments, Mapping):
        raise ValueError(
            f"arguments are written by name here, got the text {str(call.arguments)[:80]!r} for {call.tool!r}; "
            "`convert` names them, given the tools' schemas"
        )
    try:
        return json.dumps(dict(call.arguments), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"arguments of {call.tool!r} are no JSON: {error}") from error


def _collections(values: Iterable[object]) -> Collection[_Collection]:
    # Each once, or a value that contains itself twice would double with every level.
    return {id(value): value for value in values if isinstance(value, (dict, list, tuple))}.values()
