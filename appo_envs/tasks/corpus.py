"""What a search tool can find for a task.

Owns the value; indexing and ranking belong to `appo_envs.tools.search`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from appo_envs.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents and the queries they take. Compared by identity: an index is built once for each corpus.

    Attributes:
        keys: what each document is found by.
        texts: what a hit shows, in the order of the keys.
        accepts: whether a query is well-formed.

    Raises:
        ValueError: the corpus is empty, or there is not one text a key.
    """

    keys: tuple[str, ...]
    texts: tuple[str, ...]
    accepts: Callable[[str], bool]

    def __post_init__(self) -> None:
        if not self.keys or len(self.keys) != len(self.texts):
            got = f"{len(self.keys)} keys and {len(self.texts)} texts"
            raise ValueError(f"a corpus needs at least one key and one text for each, got {got}")


class CorpusSource(Protocol):
    """A task source whose tasks come with something to search."""

    def corpus(self, task: Task) -> Corpus:
        """What can be found for this task; the same object for tasks that share it."""
        ...
