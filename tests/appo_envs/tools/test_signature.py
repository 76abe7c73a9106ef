"""Functions as schemas, and JSON values as their arguments."""

import datetime
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from appo_envs.errors import ToolError
from appo_envs.tools.arguments import bind
from appo_envs.tools.signature import read_signature


class Unit(Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclass
class Point:
    x: float
    y: float = 0.0


def everything(
    city: str,
    days: int,
    share: float,
    exact: bool,
    kind: Literal["rain", "wind"],
    unit: Unit,
    places: list[Point],
    scale: dict[str, float],
    pair: tuple[int, str],
    either: int | str,
    when: datetime.date | None = None,
    limit: Annotated[int, Field(ge=1, le=5)] = 5,
    anything: Any = None,
    *,
    at: Point = Point(1.0),  # noqa: B008
) -> str:
    """Takes every kind of argument.

    Args:
        city: its name.
        at: where.
    """
    return repr(locals())


SIGNATURE = read_signature(everything, "everything", skip_first=False)
WRITTEN = {
    "city": "Oslo",
    "days": "3",
    "share": 1,
    "exact": "true",
    "kind": "rain",
    "unit": "C",
    "places": [{"x": "1"}, {"x": 2, "y": 3}],
    "scale": {"a": 1},
    "pair": ["1", "2"],
    "either": "3",
}


def test_each_type_has_its_schema() -> None:
    parameters = SIGNATURE.schema["function"]["parameters"]
    point = {
        "properties": {"x": {"type": "number"}, "y": {"default": 0.0, "type": "number"}},
        "required": ["x"],
        "title": "Point",
        "type": "object",
    }
    assert parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "its name."},
            "days": {"type": "integer"},
            "share": {"type": "number"},
            "exact": {"type": "boolean"},
            "kind": {"enum": ["rain", "wind"], "type": "string"},
            "unit": {"$ref": "#/$defs/Unit"},
            "places": {"items": {"$ref": "#/$defs/Point"}, "type": "array"},
            "scale": {"additionalProperties": {"type": "number"}, "type": "object"},
            "pair": {
                "maxItems": 2,
                "minItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "type": "array",
            },
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "when": {"anyOf": [{"format": "date", "type": "string"}, {"type": "null"}], "default": None},
            "limit": {"maximum": 5, "minimum": 1, "type": "integer", "default": 5},
            "anything": {"default": None},
            "at": {"$ref": "#/$defs/Point", "description": "where.", "default": {"x": 1.0, "y": 0.0}},
        },
        "required": ["city", "days", "share", "exact", "kind", "unit", "places", "scale", "pair", "either"],
        "additionalProperties": False,
        "$defs": {"Point": point, "Unit": {"enum": ["C", "F"], "title": "Unit", "type": "string"}},
    }
    assert SIGNATURE.schema["function"]["description"] == "Takes every kind of argument."


def test_checked_values_become_the_values_of_the_annotations() -> None:
    arguments = SIGNATURE.arguments(bind(SIGNATURE.schema, WRITTEN))
    assert arguments == {
        "city": "Oslo",
        "days": 3,
        "share": 1.0,
        "exact": True,
        "kind": "rain",
        "unit": Unit.CELSIUS,
        "places": [Point(1.0), Point(2.0, 3.0)],
        "scale": {"a": 1.0},
        "pair": (1, "2"),
        "either": "3",
    }
    assert type(arguments["share"]) is float
    everything(**arguments)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"unit": "K"}, "argument 'unit' must be 'C' or 'F', got 'K'"),
        ({"places": [{"y": 1}]}, "'x' in item 1 of argument 'places' is missing ; it must be a number"),
        ({"places": [{"x": 1, "z": 1, "y": "far"}]}, "'y' in item 1 of argument 'places' must be a number, got 'far'"),
        ({"pair": [1]}, "argument 'pair' must be a list of length 2, got [1]"),
        ({"limit": 6}, "argument 'limit' must be an integer from 1 to 5, got 6"),
        ({"either": None}, "argument 'either' must be an integer or a text, got null"),
        ({"at": {"x": 1, "y": "far"}}, "'y' in argument 'at' must be a number, got 'far'"),
    ],
)
def test_a_wrong_value_is_named(changed: dict[str, object], error: str) -> None:
    with pytest.raises(ToolError) as caught:
        bind(SIGNATURE.schema, {**WRITTEN, **changed})
    assert str(caught.value) == f"error : {error}"


def test_types_that_say_more_than_their_schema_refuse_in_words_too() -> None:
    with pytest.raises(ToolError, match="^error : argument 'when' : .*date.*, got 'someday'$"):
        SIGNATURE.arguments(bind(SIGNATURE.schema, {**WRITTEN, "when": "someday"}))
    assert SIGNATURE.arguments({"when": "2026-02-03"}) == {"when": datetime.date(2026, 2, 3)}


def test_two_types_of_one_name_are_kept_apart() -> None:
    def local() -> type:
        @dataclass
        class Point:
            name: str

        return Point

    def both(a: Point, b: object) -> str:
        """Two points."""
        return ""

    both.__annotations__["b"] = local()
    parameters = read_signature(both, "both", skip_first=False).schema["function"]["parameters"]
    definitions = parameters["$defs"]
    assert isinstance(definitions, dict) and len(definitions) == 2


def lock(city: str, key: threading.Lock) -> str:
    """Takes a lock."""
    return ""


def callback(then: Callable[[], int]) -> str:
    """Takes a function."""
    return ""


def untyped(city, days: int) -> str:  # pyright: ignore[reportMissingParameterType]
    """Says nothing of the city."""
    return ""


def several(*cities: str) -> str:
    """Takes many."""
    return ""


def positional(city: str, /) -> str:
    """Takes one in its place."""
    return ""


def unknown(city: "Nowhere") -> str:  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    """Has a type that is not there."""
    return ""


def unknown_return(city: str) -> "Nowhere":  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    """Returns a type that is not there."""


def silent(city: str) -> None:
    """Returns nothing."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lock, "parameter 'key' of tool 't' is annotated .*lock.*, which JSON cannot express"),
        (callback, "parameter 'then' of tool 't' is annotated .*Callable.*, which JSON cannot express"),
        (untyped, "parameter 'city' of tool 't' needs a type annotation"),
        (several, "parameter 'cities' of tool 't' is variadic positional"),
        (positional, "parameter 'city' of tool 't' is positional-only"),
        (unknown, "parameter 'city' of tool 't' is annotated with a name that is not known here"),
        (unknown_return, "the return annotation of tool 't' is annotated with a name that is not known here"),
        (silent, "tool 't' returns NoneType"),
    ],
)
def test_a_function_that_cannot_be_a_tool_says_which_parameter(function: Callable[..., object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        read_signature(function, "t", skip_first=False)


def test_a_state_of_an_unknown_type_is_named() -> None:
    def add(cart: "Nowhere", item: str) -> str:  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
        """Adds an item."""
        return item

    with pytest.raises(TypeError, match="the state parameter of tool 't' is annotated with a name that is not known"):
        read_signature(add, "t", skip_first=True)


@pytest.mark.parametrize("name", ["", "Weather", "2nd", "get-it", "a b", "wétter", "x" + "\n"])
def test_a_name_must_be_a_word_of_lower_case_letters(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a tool"):
        read_signature(everything, name, skip_first=False)


def test_a_docstring_is_needed_and_must_describe_arguments_that_there_are() -> None:
    def bare(city: str) -> str:
        return city

    def wrong(city: str) -> str:
        """Says too much.

        Args:
            town: there is none.
        """
        return city

    with pytest.raises(ValueError, match="needs a docstring"):
        read_signature(bare, "t", skip_first=False)
    with pytest.raises(ValueError, match="describes 'town'; there are 'city'"):
        read_signature(wrong, "t", skip_first=False)


def test_the_first_parameter_may_be_left_out() -> None:
    def pay(account: threading.Lock, amount: int) -> str:
        """Pays.

        Args:
            account: not for the model.
            amount: how much.
        """
        return ""

    def nothing() -> str:
        """Takes nothing."""
        return ""

    properties = read_signature(pay, "pay", skip_first=True).schema["function"]["parameters"]["properties"]
    assert properties == {"amount": {"type": "integer", "description": "how much."}}
    with pytest.raises(TypeError, match="needs a first parameter"):
        read_signature(nothing, "nothing", skip_first=True)
