"""Made-up names of two syllables, and which split each belongs to.

48 first and 48 second syllables give 2,304 names. About three fifths are for training, one fifth each for
validation and test; every syllable occurs in every split, so a model has seen all parts of a name it has
never seen.
"""

from __future__ import annotations

from functools import cache

SPLITS = ("train", "validation", "test")
FIRST_SYLLABLES = tuple(c + v for c in "BDFGKLMNPRST" for v in "aeio")
SECOND_SYLLABLES = tuple(c + v + e for c in "BDFGKLMN" for v in "aio" for e in "rx")

_FIRST = frozenset(FIRST_SYLLABLES)
_SECOND = frozenset(SECOND_SYLLABLES)


@cache
def names(split: str) -> tuple[str, ...]:
    """All names of a split, such as "Ba Gor", in a fixed order."""
    return tuple(
        f"{first} {second}"
        for i, first in enumerate(FIRST_SYLLABLES)
        for j, second in enumerate(SECOND_SYLLABLES)
        if split_of(7 * i + 3 * j) == split
    )


def split_of(number: int) -> str:
    """The split that a combination of parts belongs to: by its residue modulo 5."""
    return {0: "test", 1: "validation"}.get(number % 5, "train")


def is_name(first: str, second: str) -> bool:
    """Whether two words together are shaped like a name."""
    return first in _FIRST and second in _SECOND
