"""BM25 over the words of texts.

Owns what a word is, and the scores; what is shown of the best texts belongs to whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bm25s import BM25

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case."""
    return _WORD.findall(text.lower())


class Ranking:
    """Scores of texts by BM25 (k1 = 1.5, b = 0.75, the inverse document frequency of Lucene).

    Args:
        bm25: an index whose vocabulary is that of `words`.
    """

    def __init__(self, bm25: BM25) -> None:
        self._bm25 = bm25
        self._vocabulary: dict[str, int] = bm25.vocab_dict

    @staticmethod
    def of(texts: Iterable[str]) -> Ranking:
        """The ranking of texts, in memory.

        Raises:
            ValueError: there is not one word in them.
        """
        # Imported here because it takes 0.2 s, which nobody who searches nothing should pay.
        from bm25s import BM25

        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(word, len(vocabulary)) for word in words(text)] for text in texts]
        if not vocabulary:
            raise ValueError(f"expected texts with words in them, got {len(ids)} texts without a word")
        bm25 = BM25()
        bm25.index((ids, vocabulary), show_progress=False, create_empty_token=False)
        return Ranking(bm25)

    @staticmethod
    def open(folder: Path) -> Ranking:
        """A saved ranking, mapped into memory: processes share it, and what is never asked for is never read."""
        from bm25s import BM25

        return Ranking(BM25.load(folder, mmap=True, show_progress=False))

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        self._bm25.save(folder, show_progress=False)

    def knows(self, query: list[str]) -> bool:
        """Whether every word is in some text."""
        return all(word in self._vocabulary for word in query)

    def scores(self, query: list[str]) -> NDArray[np.float32]:
        """The score of every text, (texts,), 0 where no word of the query is in it; unknown words count nothing."""
        vocabulary = self._vocabulary
        # bm25s's own `retrieve` takes four times as long as the scores, most of it on what only batches need.
        return self._bm25.get_scores_from_ids([vocabulary[word] for word in query if word in vocabulary])

    def small(self) -> SmallRanking:
        """The same for a few hundred texts that many threads search."""
        stored = self._bm25.scores
        values, texts, starts = [stored[name].tolist() for name in ("data", "indices", "indptr")]
        return SmallRanking(
            {
                word: tuple(zip(texts[begin:end], values[begin:end], strict=True))
                for word, (begin, end) in zip(self._vocabulary, pairwise(starts), strict=True)
            }
        )


class SmallRanking:
    """Scores of a few hundred texts by BM25, without numpy.

    numpy gives the interpreter's lock away in each of its steps: with 256 threads that search, a query took 320
    microseconds in place of 45; this takes 36 and 50.

    Args:
        postings: of each word, the places of the texts that have it, with what it adds to their scores.
    """

    def __init__(self, postings: Mapping[str, Sequence[tuple[int, float]]]) -> None:
        self._postings = postings

    def best(self, query: list[str], k: int) -> list[int]:
        """Places of the k best texts, the best first, the earlier one first where they are equal.

        Texts without a word of the query are none of them.
        """
        scores: dict[int, float] = {}
        for word in query:
            for text, value in self._postings.get(word, ()):
                scores[text] = scores.get(text, 0.0) + value
        return sorted(scores, key=lambda text: (-scores[text], text))[:k]


def best(scores: NDArray[np.float32], k: int) -> list[int]:
    """Positions of the k highest scores above 0, the best first, the earlier one first where they are equal."""
    found = np.flatnonzero(scores)
    values = scores[found]
    if len(found) > k:
        among = values >= np.partition(values, len(values) - k)[len(values) - k]
        found, values = found[among], values[among]
    return found[np.argsort(-values, kind="stable")][:k].tolist()
