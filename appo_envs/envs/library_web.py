"""The library of a task as something to search and to visit: no network, no state, the same answers every time.

Owns ranking and snippets; the pages belong to the task source, and what the model sees of them to the tools.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from appo_envs.tasks.library import Library, LibrarySource, OwnContext
from appo_envs.tasks.source import TaskSource
from appo_envs.tasks.task import Task
from appo_envs.tools.search.base import SearchHit
from appo_envs.tools.search.ranking import Ranking, SmallRanking, words
from appo_envs.tools.web.pages import Link, Page

_TITLE_WEIGHT = 3


class LibraryWeb:
    """The pages of one task, a `SearchBackend` and a `PageSource`; they are asked for when they are needed.

    With all arguments but the task bound, the class is what `SearchTool` and `VisitTool` take.

    Args:
        source: gives the library of a task.
        task: whose library it is.
        snippet_words: words of a page that a search shows, at least 1; None for all.
    """

    def __init__(self, source: LibrarySource, task: Task, snippet_words: int | None = None) -> None:
        self._source, self._task, self._snippet_words = source, task, snippet_words
        self._found: Library | None = None

    @property
    def name(self) -> str:
        """See `SearchBackend.name`."""
        return f"library of {self._task.id}"

    def search(self, query: str, k: int) -> list[SearchHit]:
        """The pages that share most with the query by BM25, where a word of a title counts as three.

        See `SearchBackend.search`. Where scores are equal, the earlier page comes first.
        """
        library = self._library()
        documents = [library.documents[place] for place in ranking_of(library).best(words(query), k)]
        return [SearchHit(document.title, document.url, self._snippet(document.text)) for document in documents]

    def page(self, url: str) -> Page | None:
        """See `PageSource.page`; white space between the words of a URL does not matter."""
        library = self._library()
        document = library.find(url)
        if document is None:
            return None
        linked = [library.find(link) for link in document.links]
        links = tuple(Link(page.title, page.url) for page in linked if page is not None)
        return Page(document.url, document.title, document.text, links)

    def _library(self) -> Library:
        # Kept for the episode: of many episodes at once each may have another library, more than a source keeps.
        if self._found is None:
            self._found = self._source.library(self._task)
        return self._found

    def _snippet(self, text: str) -> str:
        if self._snippet_words is None:
            return text
        shown = text.split(maxsplit=self._snippet_words)
        if len(shown) <= self._snippet_words:
            return text
        return " ".join([*shown[: self._snippet_words], "..."])


def context_web(task: Task) -> LibraryWeb:
    """The documents that a task brings itself; see `OwnContext`.

    Raises:
        TaskError: it brings none.
    """
    source = OwnContext()
    # Now and not in the middle of an episode.
    source.library(task)
    return LibraryWeb(source, task)


def check_context(source: TaskSource, split: str) -> None:
    """See that the tasks of a split bring documents, by its first one.

    Raises:
        TaskError: that one brings none.
    """
    context_web(source.split(split)[0])


def ranking_of(library: Library) -> SmallRanking:
    """The ranking of a library: made once, shared by all environments of the process, gone with the library."""
    ranking = _rankings.get(library)
    if ranking is None:
        texts = [f"{f'{document.title} ' * _TITLE_WEIGHT}{document.text}" for document in library.documents]
        ranking = _rankings[library] = Ranking.of(texts).small()
    return ranking


_rankings: WeakKeyDictionary[Library, SmallRanking] = WeakKeyDictionary()
