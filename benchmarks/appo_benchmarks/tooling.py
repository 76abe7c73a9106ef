"""The tools of a run: Python in a session of its own for each episode, search and pages over what the user names.

Owns the reading of `--search` and `--visit`, and files of pages.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from appo_benchmarks.errors import BenchmarkError
from appo_envs.tools.base import ToolMaker
from appo_envs.tools.cache import CallCache
from appo_envs.tools.gateway import Gateway
from appo_envs.tools.python import PythonTool
from appo_envs.tools.search import Bm25Search, DuckDuckGo, RetrievalServer, SearchBackend, SearchTool
from appo_envs.tools.visit import VisitTool
from appo_envs.tools.web.live import LivePages
from appo_envs.tools.web.pages import Page, PageSource, StoredPages

SEARCHES = "duckduckgo, the address of a retrieval server, or a folder with a BM25 index"


LIVE = "web"


def gateway(cache: Path | None) -> Gateway:
    """What searches and visits go through.

    Args:
        cache: a file that records answers and replays them; None asks every time.
    """
    return Gateway(None if cache is None else CallCache(cache, "record"))


def search_backend(written: str, through: Gateway) -> SearchBackend:
    """What searches.

    Args:
        written: "duckduckgo", an address, or a folder with an index.
        through: see `gateway`.

    Raises:
        BenchmarkError: it is none of these.
    """
    if written == "duckduckgo":
        backend: SearchBackend = DuckDuckGo()
    elif written.startswith(("http://", "https://")):
        backend = RetrievalServer(written, allow_private=True)
    elif Path(written).is_dir():
        backend = Bm25Search.open(written, f"bm25 {Path(written).name}")
    else:
        raise BenchmarkError(f"--search: expected {SEARCHES}, got {written!r}")
    return through.search(backend)


def page_source(written: str, through: Gateway) -> PageSource:
    """Where pages come from.

    Args:
        written: "web", or a JSONL file of pages, each with "url", "text" and, if it has one, "title".
        through: see `gateway`.

    Raises:
        BenchmarkError: it is none of these; the message names the line of a page that cannot be read.
    """
    if written == LIVE:
        return through.pages(LivePages())
    path = Path(written)
    if not path.is_file():
        raise BenchmarkError(f"--visit: expected {LIVE!r} or a JSONL file of pages, got {written!r}")
    pages = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            pages.append(Page(str(row["url"]), str(row.get("title", "")), str(row["text"])))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchmarkError(f'{path}:{number}: expected a page with "url" and "text": {error}') from error
    try:
        return StoredPages(pages)
    except ValueError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def tool_makers(
    names: tuple[str, ...], search: SearchBackend | None, pages: PageSource | None = None
) -> list[ToolMaker]:
    """A maker for each tool.

    Raises:
        BenchmarkError: search or pages are wanted and there are none, or a name is unknown.
    """
    makers: list[ToolMaker] = []
    for name in names:
        match name:
            case "python":
                makers.append(PythonTool)
            case "search":
                makers.append(partial(SearchTool, needed(search)))
            case "visit" if pages is not None:
                makers.append(partial(VisitTool, pages))
            case "visit":
                raise BenchmarkError(f"visits need pages: give --visit, which is {LIVE!r} or a JSONL file of pages")
            case _:
                raise BenchmarkError(f"expected the tools 'python', 'search' and 'visit', got {name!r}")
    return makers


def needed(search: SearchBackend | None) -> SearchBackend:
    """The search, where one is needed.

    Raises:
        BenchmarkError: there is none.
    """
    if search is None:
        raise BenchmarkError(f"these questions need search: give --search, which is {SEARCHES}")
    return search
