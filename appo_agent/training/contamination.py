"""Contamination: training tasks that are evaluation items, or nearly.

Owns the measure and the files of hashes; which tasks are checked is decided by `preflight.py`. N-grams are kept as
hashes, so that an index of evaluation items can lie beside training data without holding a readable question.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from appo_agent.errors import ConfigError
from appo_envs import Task

PUBLIC = "public"
"""Names the index that is shipped: the files of the public APPO evaluation, and the test problems of MATH."""

NGRAM = 8
"""Words of an n-gram; shorter questions are compared whole."""
THRESHOLD = 0.5
"""Share of an item's n-grams in a training task, from which on the task is refused."""

_SHIPPED = Path(__file__).parent / "evaluation_items.npz"
_KEYS = ("ids", "lengths", "sizes", "grams")


class Overlap(NamedTuple):
    """A training task that is too near to an evaluation item.

    Attributes:
        task: id of the task.
        item: id of the item.
        share: of the item's n-grams that are in the task, in [THRESHOLD, 1].
        shared: the longest run of words that both have, as evidence.
    """

    task: str
    item: str
    share: float
    shared: str


class EvaluationItem(NamedTuple):
    """A question that training must not see.

    Attributes:
        id: shown where a task is refused.
        question: its text.
    """

    id: str
    question: str


class _Hashed(NamedTuple):
    """An item as it is kept: the length of its n-grams in words, and their hashes."""

    id: str
    length: int
    grams: frozenset[int]


class EvaluationIndex:
    """Hashed n-grams of evaluation items.

    Args:
        items: of all benchmarks that training must not touch.
    """

    def __init__(self, items: Iterable[EvaluationItem]) -> None:
        # An item of two files is there once; two questions of one id, as rows of two splits may be, are two items.
        self._items: dict[_Hashed, None] = {}
        self._items_of: dict[int, list[_Hashed]] = {}
        for item in items:
            words = _words(item.question)
            length = min(NGRAM, len(words))
            self._add(_Hashed(item.id, length, frozenset(_grams(words, length))))

    @classmethod
    def open(cls, names: Iterable[str]) -> EvaluationIndex:
        """Read indexes that `save` wrote, as one.

        Args:
            names: paths of files, or `PUBLIC`.

        Raises:
            ConfigError: there is no such file, or it is no index.
        """
        index = cls(())
        for name in names:
            path = _SHIPPED if name == PUBLIC else Path(name)
            try:
                with np.load(path, allow_pickle=False) as read:
                    ids, lengths, sizes, grams = (read[key] for key in _KEYS)
            except (OSError, ValueError, KeyError, BadZipFile) as error:
                raise ConfigError(
                    f"evaluation_items: expected {PUBLIC!r} or a file of `appo bench hash`, got {str(path)!r}: {error}"
                ) from error
            ends = np.cumsum(sizes)
            for item, length, size, end in zip(ids, lengths, sizes, ends, strict=True):
                index._add(_Hashed(str(item), int(length), frozenset(grams[end - size : end].tolist())))
        return index

    def __len__(self) -> int:
        return len(self._items)

    def save(self, path: Path) -> None:
        """Write the index as compressed arrays: ids, and for each its length of n-grams and their hashes."""
        arrays = (
            np.array([item.id for item in self._items], dtype=np.str_),
            np.array([item.length for item in self._items], dtype=np.uint8),
            np.array([len(item.grams) for item in self._items], dtype=np.int64),
            np.array([gram for item in self._items for gram in sorted(item.grams)], dtype=np.uint64),
        )
        with path.open("wb") as file:
            np.savez_compressed(file, **dict(zip(_KEYS, arrays, strict=True)))

    def overlaps(self, tasks: Iterable[Task]) -> tuple[Overlap, ...]:
        """The tasks that share at least `THRESHOLD` of the n-grams of an item, each with its nearest item."""
        found = []
        lengths = sorted({item.length for item in self._items})
        for task in tasks:
            words = _words(task.prompt)
            grams = {gram for length in lengths for gram in _grams(words, length)}
            hits = Counter(item for gram in grams for item in self._items_of.get(gram, ()))
            nearest = max(hits, key=lambda item: (hits[item] / len(item.grams), item.id), default=None)
            if nearest is not None and hits[nearest] >= THRESHOLD * len(nearest.grams):
                shared = _longest_run(words, nearest)
                found.append(Overlap(task.id, nearest.id, hits[nearest] / len(nearest.grams), shared))
        return tuple(found)

    def refuse(self, tasks: Iterable[Task]) -> None:
        """Raise if any of the tasks is too near to an evaluation item.

        Raises:
            ConfigError: some are; the message shows the overlap of the first three.
        """
        found = self.overlaps(tasks)
        if found:
            raise ConfigError(
                f"{len(found)} training tasks are evaluation items, or nearly: {describe(found[:3])}; leave these "
                "tasks out, or set evaluation_items to the sets that you will evaluate on"
            )

    def _add(self, item: _Hashed) -> None:
        if item in self._items:
            return
        self._items[item] = None
        for gram in item.grams:
            self._items_of.setdefault(gram, []).append(item)


def describe(overlaps: Sequence[Overlap]) -> str:
    """The overlaps in words, one after the other."""
    return "; ".join(f"task {o.task} shares {o.share:.0%} of {o.item}: {o.shared[:200]!r}" for o in overlaps)


def _words(text: str) -> list[str]:
    """Lower-case words and numbers; a sign of a script without spaces is a word of its own."""
    spaced: list[str] = []
    for char in unicodedata.normalize("NFKC", text).casefold():
        if not char.isalnum():
            spaced.append(" ")
        elif "\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af":
            spaced.append(f" {char} ")
        else:
            spaced.append(char)
    return "".join(spaced).split()


def _grams(words: Sequence[str], length: int) -> Iterable[int]:
    return (_hash(words[start : start + length]) for start in range(len(words) - length + 1) if length)


def _hash(words: Sequence[str]) -> int:
    digest = hashlib.blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def _longest_run(words: Sequence[str], item: _Hashed) -> str:
    covered = [False] * len(words)
    for start, gram in enumerate(_grams(words, item.length)):
        if gram in item.grams:
            covered[start : start + item.length] = [True] * item.length
    best: tuple[int, int] = (0, 0)
    start = 0
    for place, inside in enumerate([*covered, False]):
        if not inside:
            best = max(best, (start, place), key=lambda run: run[1] - run[0])
            start = place + 1
    return " ".join(words[best[0] : best[1]])
