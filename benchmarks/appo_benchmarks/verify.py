"""Every number of a report again, from the raw outputs.

Owns the comparison; the numbers are made by `report.py`. Answers are read from the texts again as well, so that an
edited answer shows.
"""

from __future__ import annotations

import json

from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.loaders import ids_checksum
from appo_benchmarks.methods import method_of
from appo_benchmarks.output_file import read_records
from appo_benchmarks.record import EpisodeRecord
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.report import JSON_NAME, as_json, make_report
from appo_benchmarks.results import FORMAT, ResultFolder
from appo_benchmarks.tooling import tools_of
from appo_envs.dialects.base import Dialect


def verify(folder: ResultFolder) -> tuple[str, ...]:
    """Find what does not fit together.

    Returns:
        A sentence for each difference; none for a sound folder.

    Raises:
        BenchmarkError: a file is missing or damaged, or the report is of another version.
    """
    path = folder.path / JSON_NAME
    if not path.is_file():
        raise BenchmarkError(f"there is no {path}; make it with `appo bench report {folder.path}`")
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        judge, drop_failed = str(written["judge"]), bool(written["drop_failed"])
        found = written["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no report: {error}") from error
    if found != FORMAT:
        raise BenchmarkError(f"{path} has format {found}, this version reads {FORMAT}")
    again = json.loads(as_json(make_report(folder, judge, drop_failed)))
    return (*_differences(written, again, "report"), *_answers(folder), *_items(folder))


def _differences(written: object, again: object, where: str) -> list[str]:
    if isinstance(written, dict) and isinstance(again, dict):
        keys = dict.fromkeys([*written, *again])
        return [d for key in keys for d in _differences(written.get(key), again.get(key), f"{where}.{key}")]
    if isinstance(written, list) and isinstance(again, list) and len(written) == len(again):
        pairs = enumerate(zip(written, again, strict=True))
        return [d for place, pair in pairs for d in _differences(*pair, f"{where}[{place}]")]
    return [] if written == again else [f"{where}: the report says {written!r:.200}, the outputs say {again!r:.200}"]


def _answers(folder: ResultFolder) -> list[str]:
    info = folder.info()
    method = method_of(info.method)
    found = []
    for source in info.sources:
        dialect = method.dialect(tools_of(benchmark_of(source.benchmark), method, bool(info.visit), info.tools))
        for record in read_records(folder.outputs(source.benchmark)):
            expected = _answer(record, dialect)
            if record.answer != expected:
                said = f"the answer is {record.answer!r:.100}, its text says {expected!r:.100}"
                found.append(f"{record.item}#{record.sample}: {said}")
    return found


def _answer(record: EpisodeRecord, dialect: Dialect) -> str | None:
    # An episode that failed or was cut by a limit has no answer, whatever its last turn says.
    if record.error or record.truncated or not record.turns:
        return None
    return dialect.parse(record.turns[-1].action).answer


def _items(folder: ResultFolder) -> list[str]:
    info = folder.info()
    found = []
    for source in info.sources:
        items = folder.items(source.benchmark)
        if len(items) != source.items:
            found.append(f"{source.benchmark}: run.json says {source.items} items, items.jsonl has {len(items)}")
        elif not info.limit and ids_checksum(items) != source.ids_sha256:
            found.append(f"{source.benchmark}: items.jsonl holds other questions than run.json says")
    return found
