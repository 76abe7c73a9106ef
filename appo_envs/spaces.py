"""The space of Unicode texts.

gymnasium's `Text` checks character by character, about a millisecond for ten thousand of them; this space is
for texts of any alphabet and takes a microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium.spaces import Space

SAMPLE_LENGTH = 200
"""Longest text that `sample` draws, characters."""

# Plausible trouble: scripts of one to four UTF-8 bytes, combining marks, right-to-left, controls, markup,
# joiners.
_SAMPLE_ALPHABET = (
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 \n\t "
    ".,;:!?'\"()[]{}<>/\\|@#$%^&*-_=+~` "
    "áèïõüçñßøłžşαβγδωЖдюאבשعربहिन่ไทย日本語中文한국 "
    "\u0301\u0308\u200b\u200d\u202e\ufeff\u00a0\u0000\u0007€∑∞→≈🙂👩🏽🚀𝔸𐍈"
)


class UnicodeText(Space[str]):
    """Every text up to a length, except those that UTF-8 cannot carry (lone surrogates).

    Args:
        max_length: longest text, characters; at least 0.
        seed: of `sample`.
    """

    def __init__(self, max_length: int, *, seed: int | np.random.Generator | None = None) -> None:
        if max_length < 0:
            raise ValueError(f"max_length must be 0 or more, got {max_length}")
        self.max_length = max_length
        super().__init__(dtype=str, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """False: a text is not an array."""
        return False

    def contains(self, x: Any) -> bool:
        """Whether x is a text of this space; constant time for ASCII, one fast pass otherwise."""
        return isinstance(x, str) and len(x) <= self.max_length and is_encodable(x)

    def sample(self, mask: None = None, probability: None = None) -> str:
        """A short text of mixed scripts and symbols, whose length is uniform.

        Raises:
            ValueError: a mask or probabilities were given; texts have none.
        """
        if mask is not None or probability is not None:
            raise ValueError("UnicodeText takes no mask and no probabilities")
        length = int(self.np_random.integers(min(self.max_length, SAMPLE_LENGTH) + 1))
        choices = self.np_random.integers(len(_SAMPLE_ALPHABET), size=length)
        return "".join([_SAMPLE_ALPHABET[index] for index in choices])

    def to_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        """Texts are JSON already."""
        return list(sample_n)

    def from_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        """Texts are JSON already."""
        return list(sample_n)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText) and self.max_length == other.max_length

    def __hash__(self) -> int:
        return hash((UnicodeText, self.max_length))

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can carry the text, that is, whether it is free of lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
