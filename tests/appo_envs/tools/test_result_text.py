"""What a function returns, as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import pytest
from pydantic import BaseModel

from appo_envs.errors import ToolError
from appo_envs.tools.result_text import result_text


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int
    colour: Colour


class Model(BaseModel):
    n: int


VIEW: Mapping[str, int] = MappingProxyType({"a": 1})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is \n", "as it is \n"),
        ("", ""),
        (3, "3"),
        (2.5, "2.5"),
        (True, "true"),
        ([1, "å"], '[1,"å"]'),
        ((1, None), "[1,null]"),
        ({"a": {"b": [1]}}, '{"a":{"b":[1]}}'),
        (Point(1, Colour.RED), '{"x":1,"colour":"red"}'),
        ([Model(n=3)], '[{"n":3}]'),
        (VIEW, '{"a":1}'),
    ],
)
def test_values_become_compact_json(value: object, text: str) -> None:
    assert result_text(value) == text


DEEP: list[object] = []
# Deeper than the C encoder of any Python goes.
for _ in range(100_000):
    DEEP = [DEEP]
CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, "returned nothing"),
        (b"bytes", "returned a bytes that is no text : bytes has no form in JSON"),
        ({"a", "b"}, "returned a set"),
        ([b"inside"], "returned a list that is no text : bytes has no form in JSON"),
        (iter([1]), "returned a list_iterator"),
        (Point, "returned a type"),
        ({(1, 2): 3}, "returned a dict that is no text : keys must be"),
        (DEEP, "returned a list that is no text : maximum recursion depth"),
        (CIRCLE, "returned a list that is no text : Circular reference"),
    ],
)
def test_what_is_no_text_is_an_error_for_the_model(value: object, error: str) -> None:
    with pytest.raises(ToolError, match=f"^error : the tool {error}"):
        result_text(value)
