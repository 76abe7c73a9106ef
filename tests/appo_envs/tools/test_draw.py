"""Drawing of values that a schema allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from appo_envs.errors import ToolError
from appo_envs.tools.conform import conform
from appo_envs.tools.draw import draw_text, draw_value
from tests.appo_envs.tools.test_conform_oracle import SCHEMAS, Schema

TREE = {
    "type": "object",
    "properties": {
        "left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
        "right": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/tree"}]},
        "more": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
        "extra": {"$ref": "#/$defs/tree"},
    },
    "required": ["left", "right", "more"],
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"]},
        {},
        {"type": "string", "minLength": 30},
        {"type": "string", "maxLength": 2},
        {"type": "integer", "minimum": 5},
        {"type": "integer", "maximum": -500},
        {"type": "integer", "exclusiveMinimum": 0, "maximum": 1},
        {"type": "integer", "minimum": 0.5, "maximum": 3.5},
        {"type": "integer", "minimum": 10**30},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "minimum": 2},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
        {"type": "array", "prefixItems": [{"type": "null"}], "items": {"type": "boolean"}, "minItems": 4},
        {"allOf": [{"type": "integer"}, {"minimum": 5}], "maximum": 7},
        {"properties": {"a": {"type": "integer"}}, "required": ["a", "b"], "additionalProperties": {"type": "null"}},
        {"allOf": [{"type": "object", "properties": {"a": {}}, "additionalProperties": False}, {"anyOf": [{}]}]},
        {"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 0}]},
        {"enum": [1, "a", None]},
        {"const": [1]},
        {"$ref": "#/$defs/tree"},
        {"items": {"$ref": "#/definitions/digit"}},
    ],
)
def test_what_is_drawn_conforms(schema: dict[str, Any]) -> None:
    root = {**schema, "$defs": {"tree": TREE}, "definitions": {"digit": {"type": "integer", "minimum": 0}}}
    rng = np.random.default_rng(0)
    values = [draw_value(schema, root, rng) for _ in range(200)]
    assert [conform(value, schema, root, "it") for value in values] == values


def test_all_of_a_range_is_drawn() -> None:
    rng = np.random.default_rng(0)
    schema: Schema = {"type": "integer", "exclusiveMinimum": 0, "maximum": 3}
    assert {draw_value(schema, schema, rng) for _ in range(100)} == {1, 2, 3}
    lengths = {len(draw_text(rng, 2, 4)) for _ in range(100)}
    assert lengths == {2, 3, 4}


def test_optional_members_are_drawn_at_times() -> None:
    schema: Schema = {"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}, "required": ["b"]}
    rng = np.random.default_rng(0)
    assert {repr(draw_value(schema, schema, rng)) for _ in range(50)} == {"{'a': 1, 'b': 2}", "{'b': 2}"}


@pytest.mark.parametrize(
    "schema", [{"type": "array", "minItems": 1, "items": {"$ref": "#"}}, {"enum": []}, {"allOf": [{"$ref": "#"}]}]
)
def test_a_schema_without_values_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a schema"):
        draw_value(schema, schema, np.random.default_rng(0))


def test_a_reference_to_itself_says_nothing() -> None:
    assert isinstance(draw_value({"$ref": "#"}, {"$ref": "#"}, np.random.default_rng(0)), str)


@settings(max_examples=300)
@given(SCHEMAS)
def test_values_are_found_where_there_are_some(schema: Schema) -> None:
    # What must be several things at once is only understood where it is written as people do.
    if "allOf" in repr(schema):
        return
    root = {**schema, "$defs": {"n": {"type": "integer", "minimum": 1}}}
    rng = np.random.default_rng(0)

    def fits(value: object) -> bool:
        try:
            return conform(value, root, root, "it") == value
        except ToolError:
            return False

    found = any(fits(draw_value(root, root, rng)) for _ in range(100))
    # Plain values of every kind: when one of them fits, so must something that is drawn.
    plain = [None, True, False, -5, 0, 1, 2, 3, 0.5, -1.5, "", "a", "abc", [], [1], [None, "a"], {}, {"a": 1}]
    assert found or not any(fits(value) for value in plain)
