"""Data of benchmarks from the Hugging Face hub, pinned to the commit that it came from.

Owns downloading and the note beside a file that says where it came from. Sets that somebody must first agree to, or
whose authors ask that their rows are not left lying about in clear, are never downloaded here: whoever may have them
puts them under `--data-dir`. Needs the extra `hub`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

from appo_benchmarks.benchmark import Benchmark
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.loaders import load_items
from appo_benchmarks.pin import PIN_NAME, Pin, read_pin, write_pin
from appo_envs.errors import TaskError
from appo_envs.tasks.hub import PREFIX, HubAddress, Load, load_hub

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Fetched(NamedTuple):
    """A benchmark that is on this machine.

    Attributes:
        path: of its file.
        items: in it.
        revision: the commit of the data set.
    """

    path: Path
    items: int
    revision: str


def fetch(
    benchmark: Benchmark,
    data_dir: Path,
    revision: str = "",
    *,
    load: Load = load_hub,
    commit: Callable[[str, str], str] | None = None,
) -> Fetched:
    """Download a benchmark to `data_dir/<name>/test.jsonl`, unless it is there already.

    Args:
        benchmark: which one.
        data_dir: folder of all benchmarks.
        revision: a commit, a branch or a tag; empty for the one that was fetched before, or else the newest.
        load: loads the rows of a data set.
        commit: the commit of (data set, revision); None asks the hub.

    Raises:
        BenchmarkError: the set must not be downloaded here, cannot be loaded or read, or another one is there.
    """
    if benchmark.access:
        raise BenchmarkError(
            f"{benchmark.name} is not downloaded by this command. Do this: {benchmark.access}; then save split "
            f"{benchmark.split!r} of {benchmark.hub} as JSONL in {data_dir / benchmark.folders[0] / 'test.jsonl'} and "
            f"give --data-dir {data_dir}. Mind: {benchmark.canary or benchmark.licence}"
        )
    folder = data_dir / benchmark.folders[0]
    path = folder / "test.jsonl"
    pinned = read_pin(folder / PIN_NAME)
    wanted = _wanted(benchmark, revision, pinned, commit or commit_of)
    if pinned is None and path.exists():
        raise BenchmarkError(f"{path} is there and was not fetched; move it away or give another --data-dir")
    if pinned is not None and path.exists():
        if pinned.revision != wanted:
            raise BenchmarkError(f"{path} is revision {pinned.revision}, not {wanted}; give another --data-dir")
        return Fetched(path, len(load_items(benchmark, data_dir).items), wanted)
    content = _downloaded(benchmark, wanted, load)
    _keep(content, path, Pin(benchmark.hub, wanted, hashlib.sha256(content).hexdigest()))
    return Fetched(path, len(load_items(benchmark, data_dir).items), wanted)


def commit_of(name: str, revision: str) -> str:
    """Ask the hub for the commit behind a branch or tag of a data set; an empty revision is its main branch.

    Raises:
        BenchmarkError: the hub does not say, or the extra `hub` is not installed.
    """
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise BenchmarkError("fetching needs the package datasets: pip install 'appo-gym[hub]'") from error
    # Which library speaks HTTP changes with the hub's version; this error derives from the base of that library's.
    unanswered = cast(tuple[type[Exception], ...], HfHubHTTPError.__bases__)
    try:
        found = HfApi().dataset_info(name, revision=revision or None).sha
    except (*unanswered, OSError, ValueError) as error:
        raise BenchmarkError(
            f"the hub does not say which commit {revision or 'main'!r} of {name} is: {error}; check the network, or "
            "give a commit with --revision"
        ) from error
    if not found:
        raise BenchmarkError(f"the hub names no commit for {revision or 'main'!r} of {name}; give one with --revision")
    return found


def _wanted(benchmark: Benchmark, revision: str, pinned: Pin | None, commit: Callable[[str, str], str]) -> str:
    if _COMMIT.fullmatch(revision):
        return revision
    if not revision and pinned is not None:
        return pinned.revision
    return commit(benchmark.hub, revision)


def _keep(content: bytes, path: Path, pin: Pin) -> None:
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The note first: a file without one looks like the user's own, and is never replaced.
        write_pin(path.parent / PIN_NAME, pin)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be written: {error}; fetch again when there is room") from error


def _downloaded(benchmark: Benchmark, revision: str, load: Load) -> bytes:
    where = HubAddress.parse(f"{PREFIX}{benchmark.hub}@{revision}")
    try:
        splits = load(where)
    except (TaskError, ImportError) as error:
        raise BenchmarkError(f"{benchmark.name}: {error}") from error
    except RuntimeError as error:
        # So `datasets` says that a set is read by code of its own, which it runs no more.
        raise BenchmarkError(
            f"{benchmark.name}: {where} cannot be read: {error}; take it from its authors, and save it as JSONL in "
            "a folder for --data-dir"
        ) from error
    if benchmark.split not in splits:
        raise BenchmarkError(f"{where} has no split {benchmark.split!r}; there are {', '.join(splits)}")
    rows = splits[benchmark.split]
    lines = []
    for place in range(len(rows)):
        try:
            lines.append(json.dumps(dict(rows[place]), ensure_ascii=False) + "\n")
        except TypeError as error:
            raise BenchmarkError(f"{where} {benchmark.split}/{place} cannot be written as JSON: {error}") from error
    return "".join(lines).encode("utf-8", "surrogatepass")
