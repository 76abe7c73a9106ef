"""Arguments as JSON."""

import json
from collections.abc import Callable
from types import MappingProxyType

import pytest

from appo_envs.dialects.json_arguments import MAX_NESTING, is_deep, read_arguments, write_arguments
from appo_envs.messages import CallRequest


@pytest.mark.parametrize("written", [{"a": [1]}, '{"a": [1]}', ' {"a" : [1]} '])
def test_an_object_or_its_text_are_arguments(written: object) -> None:
    assert read_arguments(written) == {"a": [1]}


@pytest.mark.parametrize("written", [None, "", {}, "{}"])
def test_nothing_is_no_arguments(written: object) -> None:
    assert read_arguments(written) == {}


@pytest.mark.parametrize("written", ["x", "[1]", "null", [], 0, False, 3, '{"a": NaN}', '{"a": 1, "a": 2}', '"{}"'])
def test_all_else_is_no_object(written: object) -> None:
    with pytest.raises(ValueError, match="its arguments are no object"):
        read_arguments(written)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_nesting_has_an_end(opening: str, closing: str) -> None:
    def nested(depth: int) -> str:
        return '{"x": ' + opening * depth + "1" + closing * depth + "}"

    assert read_arguments(nested(MAX_NESTING - 1)) == json.loads(nested(MAX_NESTING - 1))
    with pytest.raises(ValueError, match="nested too deeply"):
        read_arguments(nested(MAX_NESTING))
    with pytest.raises(ValueError, match="no object"):
        read_arguments(nested(100_000))


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: (x, "y"), lambda x: {"a": 1, "b": x}])
def test_every_kind_of_collection_counts(wrap: Callable[[object], object]) -> None:
    value: object = 1
    for _ in range(MAX_NESTING - 1):
        value = wrap(value)
    assert not is_deep({"x": value}) and is_deep({"x": wrap(value)}) and is_deep(MappingProxyType({"x": wrap(value)}))


def test_what_contains_itself_is_deep_and_what_is_wide_is_not() -> None:
    circle: list[object] = []
    circle += [circle, {"again": circle}]
    assert is_deep({"x": circle})
    wide: list[object] = []
    for _ in range(MAX_NESTING - 2):
        wide = [wide, wide]
    assert not is_deep({"x": wide}) and not is_deep("[" * 1000)


def test_any_mapping_of_json_values_is_written() -> None:
    assert write_arguments(CallRequest("f", MappingProxyType({"é": (1, None)}))) == '{"é": [1, null]}'


@pytest.mark.parametrize("value", [float("inf"), object(), {1: 2}.keys()])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="arguments of 'f' are no JSON"):
        write_arguments(CallRequest("f", {"x": value}))
