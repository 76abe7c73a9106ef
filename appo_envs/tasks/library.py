"""What can be searched and visited for a task.

Owns the values; ranking and what the model is shown belong to the tools over them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from appo_envs.errors import TaskError
from appo_envs.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Document:
    """A page.

    Attributes:
        url: where it is found; unique in its library.
        title: of the page.
        text: of the page, without markup.
        links: URLs of the pages it points to.
    """

    url: str
    title: str
    text: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Library:
    """Pages by their URLs. Compared by identity: an index is built once for each library.

    Attributes:
        documents: at least one, each with a URL of its own.

    Raises:
        ValueError: there are no documents, or two with one URL.
    """

    documents: tuple[Document, ...]
    _by_url: dict[str, Document] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_url = {document.url: document for document in self.documents}
        if not by_url or len(by_url) != len(self.documents):
            got = f"{len(self.documents)} documents with {len(by_url)} different URLs"
            raise ValueError(f"a library needs at least one document and one URL for each, got {got}")
        object.__setattr__(self, "_by_url", by_url)

    def find(self, url: str) -> Document | None:
        """The document at this URL, whatever the white space around its words; None if there is none."""
        return self._by_url.get(url) or self._by_url.get(" ".join(url.split()))


class LibrarySource(Protocol):
    """What knows the library of each task."""

    def library(self, task: Task) -> Library:
        """What can be found for this task; the same object for tasks that share it, as long as it is in use."""
        ...


CONTEXT = "context"
"""Key of the metadata of tasks that bring their own documents."""


@dataclass(frozen=True)
class OwnContext:
    """Libraries of tasks that bring their own documents, as those of reading comprehension do."""

    def library(self, task: Task) -> Library:
        """The documents in the task's metadata.

        Raises:
            TaskError: the task has none.
        """
        return _own_library(task)


# A library is ranked once, so every search and every fork of an episode must meet the same one.
@lru_cache(maxsize=256)
def _own_library(task: Task) -> Library:
    documents = task.metadata.get(CONTEXT)
    if not isinstance(documents, tuple) or not documents or not all(isinstance(each, Document) for each in documents):
        raise TaskError(
            f"task {task.id!r} has nothing to search: its metadata needs a tuple of documents "
            f"(appo_envs.tasks.Document) under {CONTEXT!r}; or give the environment a search tool of its own"
        )
    return Library(documents)
