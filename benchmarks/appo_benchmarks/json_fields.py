"""From what JSON holds to a dataclass, where a file may have been edited.

Owns the check that each value is of the kind that its field says. Which values make sense is said by the classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def from_fields(kind: Callable[..., T], values: Mapping[str, object]) -> T:
    """An object of a dataclass.

    Args:
        kind: the class. Of a tuple only that it is one is checked; a whole number is a float, but true is no number.
        values: by field.

    Raises:
        TypeError: a value is of another kind than its field, a field is missing, or there is no such field.
    """
    wanted = _kinds(kind)
    for name, value in values.items():
        if name in wanted and type(value) not in wanted[name]:
            expected = " or ".join(one.__name__ for one in wanted[name])
            raise TypeError(f"{name}: expected {expected}, got {value!r:.80}")
    return kind(**values)


@cache
def _kinds(kind: Callable[..., object]) -> dict[str, tuple[type, ...]]:
    return {name: _kinds_of(hint) for name, hint in get_type_hints(kind).items()}


def _kinds_of(hint: object) -> tuple[type, ...]:
    if get_origin(hint) is Literal:
        return tuple({type(value): None for value in get_args(hint)})
    if isinstance(hint, UnionType):
        return tuple([one for part in get_args(hint) for one in _kinds_of(part)])
    found = get_origin(hint) or hint
    if not isinstance(found, type):
        raise TypeError(f"a field that JSON holds must be of a plain class, a tuple or a Literal, got {hint!r}")
    return (float, int) if found is float else (found,)
