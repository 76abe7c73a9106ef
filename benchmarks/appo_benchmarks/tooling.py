"""The tools of a run: Python in a session of its own for each episode, search and pages over what the user names.

Owns the reading of `--search`, `--visit` and `--tools`, and files of pages.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from appo_benchmarks.benchmark import Benchmark
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.methods import Method
from appo_envs.errors import did_you_mean
from appo_envs.tools.base import ToolMaker
from appo_envs.tools.cache import CacheError, CallCache
from appo_envs.tools.gateway import Gateway
from appo_envs.tools.python import PythonTool
from appo_envs.tools.search import Bm25Search, DuckDuckGo, RetrievalServer, SearchBackend, SearchTool
from appo_envs.tools.visit import VisitTool
from appo_envs.tools.web.live import LivePages
from appo_envs.tools.web.pages import Page, PageSource, StoredPages

SEARCHES = "duckduckgo, the address of a retrieval server, or a folder with a BM25 index"
LIVE = "web"
TOOLS = ("python", "search", "visit")


def gateway(cache: Path | None, replay: bool = False) -> Gateway:
    """What searches and visits go through.

    Args:
        cache: a file that records answers and replays them; None asks every time.
        replay: ask for nothing that is not in the file.

    Raises:
        BenchmarkError: the file is none of answers, or there is nothing to replay.
    """
    if cache is None:
        if replay:
            raise BenchmarkError("--replay needs --search-cache, the file with the answers")
        return Gateway()
    try:
        return Gateway(CallCache(cache, "replay" if replay else "record"))
    except CacheError as error:
        raise BenchmarkError(f"--search-cache: {error}") from error


def tools_of(benchmark: Benchmark, method: Method, visits: bool, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names of the tools that a model may call.

    Args:
        benchmark: whose tools they are where no others are asked for.
        method: of asking; it may call fewer.
        visits: whether the run has pages.
        only: tools that are asked for instead; empty for those of the benchmark.

    Raises:
        BenchmarkError: a name is unknown, or the method does not go with what is asked for.
    """
    for name in only:
        if name not in TOOLS:
            raise BenchmarkError(f"--tools: there is no tool {name!r}; {did_you_mean(name, TOOLS)}")
    names = method.tools(only or benchmark.tools_with(visits))
    if only and (not names or not set(names) <= set(only)):
        calls = f"calls {', '.join(names)}" if names else "calls no tools"
        raise BenchmarkError(
            f"--tools {','.join(only)}: the method {method.name!r} {calls}; name these, or another method"
        )
    return names


def search_backend(written: str, through: Gateway) -> SearchBackend:
    """What searches.

    Args:
        written: "duckduckgo", an address, or a folder with an index.
        through: see `gateway`.

    Raises:
        BenchmarkError: it is none of these, or a package that it needs is not installed.
    """
    backend: SearchBackend
    if written == "duckduckgo" or written.startswith(("http://", "https://")):
        try:
            backend = DuckDuckGo() if written == "duckduckgo" else RetrievalServer(written, allow_private=True)
        except (ImportError, ValueError) as error:
            raise BenchmarkError(f"--search {written}: {error}") from error
    elif Path(written).is_dir():
        try:
            backend = Bm25Search.open(written, f"bm25 {Path(written).name}")
        except (OSError, ValueError) as error:
            raise BenchmarkError(f"--search {written}: {error}") from error
    else:
        raise BenchmarkError(f"--search: expected {SEARCHES}, got {written!r}")
    return through.search(backend)


def page_source(written: str, through: Gateway) -> PageSource:
    """Where pages come from.

    Args:
        written: "web", or a JSONL file of pages, each with "url", "text" and, if it has one, "title".
        through: see `gateway`.

    Raises:
        BenchmarkError: it is none of these, or a package that it needs is not installed, or a page cannot be read; the
            message names its line.
    """
    if written == LIVE:
        try:
            return through.pages(LivePages())
        except ImportError as error:
            raise BenchmarkError(f"--visit {written}: {error}") from error
    path = Path(written)
    if not path.is_file():
        raise BenchmarkError(f"--visit: expected {LIVE!r} or a JSONL file of pages, got {written!r}")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"--visit: expected pages as JSONL in UTF-8 in {path}: {error}") from error
    pages = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            pages.append(Page(str(row["url"]), str(row.get("title", "")), str(row["text"])))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
                raise BenchmarkError(f"expected the tools {', '.join(TOOLS)}, got {name!r}")
    return makers


def needed(search: SearchBackend | None) -> SearchBackend:
    """The search, where one is needed.

    Raises:
        BenchmarkError: there is none.
    """
    if search is None:
        raise BenchmarkError(f"these questions need search: give --search, which is {SEARCHES}")
    return search
