"""The folder of a run: what was asked for, the items, and where everything lies.

Owns the layout and its version. A folder holds `run.json`, and for each benchmark `<name>/items.jsonl`,
`<name>/outputs.jsonl` and, once it was judged, `<name>/verdicts.jsonl`; reports are written beside `run.json`. A
`.gitignore` keeps questions that must not be published out of repositories.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from appo_benchmarks.benchmark import Item
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.json_fields import from_fields
from appo_benchmarks.play import PlaySettings
from appo_benchmarks.registry import benchmark_of

FORMAT = 1
PACKAGES = ("appo-gym", "numpy", "scipy", "math-verify", "sympy", "bm25s", "gymnasium")


@dataclass(frozen=True)
class DataSource:
    """The data of one benchmark of a run.

    Attributes:
        benchmark: its name.
        items: number of items that are asked.
        ids_sha256: `loaders.ids_checksum` of all items of the file.
        file_sha256: of the bytes of the file.
        left_out: rows of the file that need an image.
        system_prompt: what the model is told before each question.
        revision: commit of the data set on the hub; empty for a file that was not fetched.
        items_sha256: of the items that are asked, with their answers, as `items.jsonl` holds them.
    """

    benchmark: str
    items: int
    ids_sha256: str
    file_sha256: str
    left_out: int
    system_prompt: str
    revision: str = ""
    items_sha256: str = ""


@dataclass(frozen=True)
class RunInfo:
    """What a run was asked to do; a run that goes on must be asked the same.

    Attributes:
        model: as it was given.
        method: its name.
        search: as it was given; empty without search.
        samples: of each item.
        limit: on the items of each benchmark; 0 for none.
        play: how episodes are played.
        sources: one a benchmark, in order.
        versions: of Python and of packages, as "name version"; all that took part, where they change as a run goes on.
        visit: where pages came from, as it was given; empty without visits.
        tools: that were asked for instead of those of each benchmark; empty for its own.
    """

    model: str
    method: str
    search: str
    samples: int
    limit: int
    play: PlaySettings
    sources: tuple[DataSource, ...]
    versions: tuple[str, ...]
    visit: str = ""
    tools: tuple[str, ...] = ()


class ResultFolder:
    """Reads and writes the files of a run, except outputs and verdicts, of which it knows the place.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def outputs(self, benchmark: str) -> Path:
        """Where finished episodes are appended."""
        return self.path / benchmark / "outputs.jsonl"

    def verdicts(self, benchmark: str) -> Path:
        """Where a judge's verdicts are appended."""
        return self.path / benchmark / "verdicts.jsonl"

    def begin(self, info: RunInfo, items: dict[str, Sequence[Item]]) -> None:
        """Make the folder, or check that the run in it was asked for the same.

        Raises:
            BenchmarkError: another run is in it, and the message names the first difference; or it cannot be written.
        """
        if (self.path / "run.json").is_file():
            begun = self.info()
            _check_same(begun, info, self.path)
            versions = tuple(dict.fromkeys((*begun.versions, *info.versions)))
            if versions != begun.versions:
                self._write_info(replace(begun, versions=versions))
            return
        for source in info.sources:
            folder = self.path / source.benchmark
            if benchmark_of(source.benchmark).canary:
                # Its questions must not end where crawlers read, and a folder of results may lie in a repository.
                _replace(folder / ".gitignore", "*\n")
            _replace(folder / "items.jsonl", _written(items[source.benchmark]))
        # Written last: a folder without it has not begun.
        self._write_info(info)

    def info(self) -> RunInfo:
        """What the run was asked for.

        Raises:
            BenchmarkError: there is no run, or one of another version.
        """
        path = self.path / "run.json"
        if not path.is_file():
            raise BenchmarkError(f"there is no {path}; give a folder that `appo bench run` wrote")
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            found = read.pop("format")
            info = _info(read) if found == FORMAT else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BenchmarkError(f"{path} is damaged: {type(error).__name__}: {error}") from error
        if info is None:
            raise BenchmarkError(f"{path} has format {found}, this version reads {FORMAT}; run the benchmark again")
        return info

    def items(self, benchmark: str) -> tuple[Item, ...]:
        """The items that are asked, in order.

        Raises:
            BenchmarkError: the file is missing or damaged.
        """
        path = self.path / benchmark / "items.jsonl"
        try:
            # As it was written: JSON may hold lone surrogates.
            text = path.read_text(encoding="utf-8", errors="surrogatepass")
            read = [json.loads(line) for line in text.split("\n") if line]
            return tuple([from_fields(Item, item | {"golds": tuple(item["golds"])}) for item in read])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BenchmarkError(f"{path} is missing or damaged: {error}") from error

    def write(self, name: str, text: str) -> Path:
        """Write a report beside `run.json`, whole or not at all."""
        _replace(self.path / name, text)
        return self.path / name

    def _write_info(self, info: RunInfo) -> None:
        _replace(self.path / "run.json", json.dumps({"format": FORMAT, **asdict(info)}, indent=2) + "\n")


def items_checksum(items: Iterable[Item]) -> str:
    """SHA-256 of the items in order, with their answers."""
    return hashlib.sha256(_written(items).encode("utf-8", "surrogatepass")).hexdigest()


def installed_versions() -> tuple[str, ...]:
    """Python and the packages that figures depend on."""
    found = [f"python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return tuple(found)


def _info(read: dict[str, Any]) -> RunInfo:
    play = from_fields(PlaySettings, read["play"])
    sources = tuple([from_fields(DataSource, source) for source in read["sources"]])
    listed = {name: tuple(read.get(name, ())) for name in ("versions", "tools")}
    return from_fields(RunInfo, read | listed | {"play": play, "sources": sources})


def _check_same(old: RunInfo, new: RunInfo, path: Path) -> None:
    for field in fields(RunInfo):
        was, asked = getattr(old, field.name), getattr(new, field.name)
        if field.name != "versions" and was != asked:
            raise BenchmarkError(
                f"{path} holds a run with another {field.name}: {was!r:.300}, asked for {asked!r:.300}; "
                "ask for the same to go on with it, or give another --out"
            )


def _written(items: Iterable[Item]) -> str:
    return "".join([json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items])


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(path.name + ".draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be written: {error}") from error
