"""Every number of a report again, from the raw outputs.

Owns the comparison; the numbers are made by `report.py`. Answers and verdicts are read from the texts again as well, so
that an edited one shows.
"""

from __future__ import annotations

import json

from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.judge import read_verdicts, read_word
from appo_benchmarks.methods import method_of
from appo_benchmarks.output_file import read_records
from appo_benchmarks.record import EpisodeRecord
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.report import JSON_NAME, MARKDOWN_NAME, Prices, as_json, as_markdown, make_report
from appo_benchmarks.report_page import PAGE_NAME, as_html
from appo_benchmarks.results import FORMAT, ResultFolder, items_checksum
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
        written = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
        judge, drop_failed = str(written["judge"]), bool(written["drop_failed"])
        prices = None if written["prices"] is None else Prices(**written["prices"])
        found = written["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no report: {error}") from error
    if found != FORMAT:
        raise BenchmarkError(f"{path} has format {found}, this version reads {FORMAT}")
    report = make_report(folder, judge, drop_failed, prices)
    again = json.loads(as_json(report))
    pages = {MARKDOWN_NAME: as_markdown(report), PAGE_NAME: as_html(report)}
    return (
        *_differences(written, again, "report"),
        *[
            f"{name} is not the report of these outputs"
            for name, text in pages.items()
            if not _says(folder, name, text)
        ],
        *_answers(folder),
        *_verdicts(folder),
        *_items(folder),
    )


def _says(folder: ResultFolder, name: str, text: str) -> bool:
    path = folder.path / name
    # A page that somebody removed says nothing wrong.
    return not path.is_file() or path.read_bytes() == text.encode("utf-8", "surrogatepass")


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
            where = f"{record.item}#{record.sample}"
            if record.answer != expected:
                found.append(f"{where}: the answer is {record.answer!r:.100}, its text says {expected!r:.100}")
            if not record.error and record.format_ok != _format_ok(record, dialect):
                found.append(
                    f"{where}: the format is called {'right' if record.format_ok else 'wrong'}, its text is not"
                )
    return found


def _answer(record: EpisodeRecord, dialect: Dialect) -> str | None:
    # An episode that failed or was cut by a limit has no answer, whatever its last turn says.
    if record.error or record.truncated or not record.turns:
        return None
    return dialect.parse(record.turns[-1].action).answer


def _format_ok(record: EpisodeRecord, dialect: Dialect) -> bool:
    sound = not any(dialect.parse(turn.action).problems for turn in record.turns)
    return sound and _answer(record, dialect) is not None


def _verdicts(folder: ResultFolder) -> list[str]:
    found = []
    for source in folder.info().sources:
        for verdict in read_verdicts(folder.verdicts(source.benchmark)).values():
            word = read_word(verdict.reply)
            if verdict.word != word:
                found.append(
                    f"{source.benchmark}: a verdict is {verdict.word!r}, its reply says {word!r}: {verdict.key}"
                )
    return found


def _items(folder: ResultFolder) -> list[str]:
    found = []
    for source in folder.info().sources:
        items = folder.items(source.benchmark)
        if len(items) != source.items:
            found.append(f"{source.benchmark}: run.json says {source.items} items, items.jsonl has {len(items)}")
        elif items_checksum(items) != source.items_sha256:
            found.append(f"{source.benchmark}: items.jsonl holds other questions or answers than run.json says")
    return found
