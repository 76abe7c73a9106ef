"""What the user names becomes tools, and what cannot is said in one line."""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.methods import method_of
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.tooling import gateway, page_source, search_backend, tools_of

from appo_envs.errors import EnvError
from appo_envs.tools.gateway import Gateway
from appo_envs.tools.search import SearchHit


class Counting:
    """A search that counts how often it is asked."""

    name = "counting"
    asked = 0

    def search(self, query: str, k: int) -> Sequence[SearchHit]:
        self.asked += 1
        return [SearchHit(query, "", "found")]


@pytest.mark.parametrize(
    ("name", "package", "read"),
    [
        ("web", "trafilatura", page_source),
        ("duckduckgo", "ddgs", search_backend),
        ("http://127.0.0.1:9/retrieve", "httpcore2", search_backend),
    ],
)
def test_the_web_without_its_packages_is_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str, read: Callable[[str, Gateway], object]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == package else found(wanted))
    with pytest.raises(BenchmarkError, match=rf"{name}: .* needs the package {package}: pip install 'appo-gym\[web\]'"):
        read(name, gateway(None))


def test_an_address_of_a_search_that_is_none_is_said() -> None:
    with pytest.raises(BenchmarkError, match=r"--search http://\[::1: url must be that of a retrieval server"):
        search_backend("http://[::1", gateway(None))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\n", "--visit: expected pages as JSONL in UTF-8"), (b"[" * 100_000 + b"\n", "pages:1: expected a page")],
)
def test_pages_that_cannot_be_read_are_said(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "pages").write_bytes(content)
    with pytest.raises(BenchmarkError, match=words):
        page_source(str(tmp_path / "pages"), gateway(None))


def test_a_folder_without_an_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"--search .*expected a search index in"):
        search_backend(str(tmp_path), gateway(None))


def test_a_cache_that_is_none_or_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("hello")
    with pytest.raises(BenchmarkError, match="--search-cache: "):
        gateway(tmp_path / "odd")
    with pytest.raises(BenchmarkError, match="there is no such file"):
        gateway(tmp_path / "none", replay=True)
    with pytest.raises(BenchmarkError, match="--replay needs --search-cache"):
        gateway(None, replay=True)


def test_replay_gives_what_was_recorded_and_asks_nothing(tmp_path: Path) -> None:
    backend = Counting()
    first = gateway(tmp_path / "cache").search(backend).search("who", 3)
    replayed = gateway(tmp_path / "cache", replay=True).search(backend)
    assert replayed.search("who", 3) == first
    with pytest.raises(EnvError, match="only calls that were recorded can be replayed"):
        replayed.search("what", 3)
    assert backend.asked == 1


def test_tools_of_the_run_take_the_place_of_those_of_the_benchmark() -> None:
    hotpotqa, react = benchmark_of("hotpotqa"), method_of("react")
    assert tools_of(hotpotqa, react, visits=False) == ("search",)
    assert tools_of(hotpotqa, react, visits=False, only=("search", "python")) == ("search", "python")


@pytest.mark.parametrize(
    ("method", "only", "words"),
    [
        ("tir", ("search",), "--tools search: the method 'tir' calls python; name these, or another method"),
        ("cot", ("search",), "--tools search: the method 'cot' calls no tools"),
        ("react", ("serach",), "--tools: there is no tool 'serach'; did you mean 'search'"),
    ],
)
def test_tools_that_do_not_go_with_the_method_are_refused(method: str, only: tuple[str, ...], words: str) -> None:
    with pytest.raises(BenchmarkError, match=words):
        tools_of(benchmark_of("hotpotqa"), method_of(method), visits=False, only=only)
