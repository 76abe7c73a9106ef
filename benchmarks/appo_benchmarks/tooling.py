"""The tools of a run: Python in a session of its own for each episode, and search over what the user names.

Owns the reading of `--search`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from appo_benchmarks.errors import BenchmarkError
from appo_envs.tools.base import ToolMaker
from appo_envs.tools.cache import CallCache
from appo_envs.tools.gateway import Gateway
from appo_envs.tools.python import PythonTool
from appo_envs.tools.search import Bm25Search, DuckDuckGo, RetrievalServer, SearchBackend, SearchTool

SEARCHES = "duckduckgo, the address of a retrieval server, or a folder with a BM25 index"


def search_backend(written: str, cache: Path | None) -> SearchBackend:
    """What searches.

    Args:
        written: "duckduckgo", an address, or a folder with an index.
        cache: a file that records answers and replays them; None asks every time.

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
    return backend if cache is None else Gateway(CallCache(cache, "record")).search(backend)


def tool_makers(names: tuple[str, ...], search: SearchBackend | None) -> list[ToolMaker]:
    """A maker for each tool.

    Raises:
        BenchmarkError: search is wanted and there is none.
    """
    makers: list[ToolMaker] = []
    for name in names:
        if name == "python":
            makers.append(PythonTool)
        else:
            makers.append(partial(SearchTool, needed(search)))
    return makers


def needed(search: SearchBackend | None) -> SearchBackend:
    """The search, where one is needed.

    Raises:
        BenchmarkError: there is none.
    """
    if search is None:
        raise BenchmarkError(f"these questions need search: give --search, which is {SEARCHES}")
    return search
