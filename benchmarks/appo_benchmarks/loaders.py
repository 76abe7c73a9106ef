"""From JSONL files to items: every layout in use, read strictly.

Owns the layouts. A row that fits none is an error that shows it; nothing is skipped, except rows with an image or a
file, as HLE and GAIA have them, which are counted. Which benchmark has which file is said by `registry.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from appo_benchmarks.benchmark import Benchmark, Item
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.pin import revision_of
from appo_envs.dialects.boxed import last_boxed

QUESTION_KEYS = ("question", "problem", "Question", "prompt")
ANSWER_KEYS = ("answer", "Answer", "Final answer", "golden_answers", "answers")
ALIAS_KEY = "answer_aliases"
"""Of MuSiQue: other forms of the answer, each as good (its evaluation takes the best over all)."""
ID_KEYS = ("task_id", "_id", "id", "idx", "unique_id")
FILES = ("test.jsonl", "top.json", "data.jsonl")
GSM8K_MARK = "####"


class LoadedItems(NamedTuple):
    """The items of a file.

    Attributes:
        items: in the order of the file.
        path: of the file.
        sha256: of its bytes.
        left_out: rows that need an image or another file.
        revision: commit of the data set; empty for a file that was not fetched.
    """

    items: tuple[Item, ...]
    path: Path
    sha256: str
    left_out: int
    revision: str = ""


def load_items(benchmark: Benchmark, data_dir: Path) -> LoadedItems:
    """Read the items of a benchmark from `data_dir/<folder>/test.jsonl` or `data_dir/<name>.jsonl`.

    Raises:
        BenchmarkError: there is no file, or it is not what it should be; the message names the line.
    """
    path = _find(benchmark, data_dir)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error}") from error
    rows = _rows(path, content)
    kept = [(line, row) for line, row in rows if not _needs_image(row)]
    if not kept:
        raise BenchmarkError(f"{path}: expected a JSON object on each line, found no rows at all{_how(benchmark)}")
    items = tuple([_item(benchmark, row, f"{path}:{line}", place) for place, (line, row) in enumerate(kept)])
    seen: dict[str, int] = {}
    for item, (line, _) in zip(items, kept, strict=True):
        if item.id in seen:
            raise BenchmarkError(f"{path}:{line}: the id {item.id!r} was used on line {seen[item.id]} already")
        seen[item.id] = line
    sha256 = hashlib.sha256(content).hexdigest()
    return LoadedItems(items, path, sha256, len(rows) - len(kept), revision_of(path, sha256))


def ids_checksum(items: Sequence[Item]) -> str:
    """SHA-256 over ids and questions, in any order: tells apart sets of items, not their answers."""
    lines = sorted(json.dumps([item.id, item.question], ensure_ascii=False) for item in items)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _find(benchmark: Benchmark, data_dir: Path) -> Path:
    candidates = [data_dir / folder / file for folder in benchmark.folders for file in FILES]
    candidates += [data_dir / f"{folder}.jsonl" for folder in benchmark.folders]
    present = [path for path in candidates if path.is_file()]
    # A file of Git LFS that was never fetched is empty or a pointer; HLE's public copy has another file beside it.
    filled = [path for path in present if path.stat().st_size]
    if filled:
        return filled[0]
    what = f"{present[0]} is empty" if present else f"there is no {candidates[0]}"
    raise BenchmarkError(f"{benchmark.name}: {what}{_how(benchmark)}")


def _how(benchmark: Benchmark) -> str:
    access = f"; first: {benchmark.access}" if benchmark.access else ""
    return (
        f"; take split {benchmark.split!r} of the data set {benchmark.hub}{access}; save it as JSONL in "
        f"DIR/{benchmark.folders[0]}/test.jsonl and give --data-dir DIR{_or_fetch(benchmark)}"
    )


def _or_fetch(benchmark: Benchmark) -> str:
    return "" if benchmark.access else f"; `appo bench fetch {benchmark.name} --data-dir DIR` does that"


def _rows(path: Path, content: bytes) -> list[tuple[int, Mapping[str, object]]]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{path}: expected UTF-8: {error}") from error
    rows: list[tuple[int, Mapping[str, object]]] = []
    # Only "\n" ends a line of JSONL: texts may hold the other separators that str.splitlines knows.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BenchmarkError(f"{path}:{number}: no JSON: {error}") from error
        if not isinstance(row, dict):
            raise BenchmarkError(f"{path}:{number}: expected a JSON object, got {line[:80]!r}")
        rows.append((number, row))
    return rows


def _needs_image(row: Mapping[str, object]) -> bool:
    return bool(row.get("has_image") or row.get("image") or row.get("file_name"))


def _item(benchmark: Benchmark, row: Mapping[str, object], where: str, place: int) -> Item:
    question = next((row[key] for key in QUESTION_KEYS if isinstance(row.get(key), str)), None)
    written = next((row[key] for key in ANSWER_KEYS if row.get(key) is not None), None)
    solution = row.get("solution")
    if written is None and isinstance(solution, str):
        # MATH as it is distributed: the answer is the box at the end of the solution.
        written = last_boxed(solution)
    if not isinstance(question, str) or not question.strip():
        raise BenchmarkError(f"{where}: expected a text under one of {QUESTION_KEYS}, the row has {sorted(row)}")
    golds = _golds(written)
    if not golds:
        raise BenchmarkError(f"{where}: expected an answer under one of {ANSWER_KEYS}, got {written!r:.80}")
    if aliases := row.get(ALIAS_KEY):
        others = _golds(aliases)
        if not others:
            raise BenchmarkError(f"{where}: expected a list of other forms under {ALIAS_KEY!r}, got {aliases!r:.80}")
        golds = tuple(dict.fromkeys((*golds, *others)))
    if benchmark.name == "gsm8k":
        golds = tuple([_after_mark(gold, where) for gold in golds])
    # Rows of the copies in use often have no id, or one that means nothing outside; the place in the file does then.
    own = next((str(row[key]) for key in ID_KEYS if isinstance(row.get(key), str | int)), str(place))
    return Item(f"{benchmark.name}/{own}", question.strip(), golds, *_groups(row))


def _golds(written: object) -> tuple[str, ...]:
    listed = written if isinstance(written, list) else [written]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in listed):
        return ()
    texts = tuple(dict.fromkeys(str(one).strip() for one in listed))
    return texts if all(texts) else ()


def _after_mark(gold: str, where: str) -> str:
    number = gold.rpartition(GSM8K_MARK)[2].strip()
    if len(number.split()) != 1:
        wanted = f"a number, or a solution that ends in '{GSM8K_MARK} number'"
        raise BenchmarkError(f"{where}: expected {wanted}, got {gold[-60:]!r}")
    return number.replace(",", "") if GSM8K_MARK in gold else number


def _groups(row: Mapping[str, object]) -> tuple[str, str]:
    info = row.get("info")
    inner = info if isinstance(info, dict) else {}
    level = _first(row, ("Level", "level")) or _first(inner, ("difficulty_level",))
    subject = _first(row, ("category", "subject", "type")) or _first(inner, ("type",))
    return level, subject


def _first(row: Mapping[str, object], keys: Sequence[str]) -> str:
    return next((str(row[key]) for key in keys if isinstance(row.get(key), str | int)), "")
