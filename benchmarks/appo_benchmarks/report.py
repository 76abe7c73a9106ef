"""The report of a run: figures beside published ones, with all that is needed to get them again.

Owns its contents and two of its forms, JSON and Markdown; the third is `report_page.py`. It is made from the raw
outputs alone, every time.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import NamedTuple

from appo_benchmarks.benchmark import Published
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.figures import BenchmarkFigures, Costs, figures_of
from appo_benchmarks.judge import PROMPT, PROMPT_VERSION, Verdict, all_verdicts, read_verdicts
from appo_benchmarks.output_file import read_attempts
from appo_benchmarks.record import EpisodeRecord, latest, to_line
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.results import FORMAT, DataSource, ResultFolder, RunInfo
from appo_benchmarks.scoring import Score, score_episodes

JSON_NAME = "report.json"
MARKDOWN_NAME = "report.md"
HEADLINES = ("benchmark", "metric", "value", "95% interval", "episodes", "failed or missing", "published")
"""Heads of the columns of `headline_cells`."""


@dataclass(frozen=True)
class Prices:
    """What tokens of the model cost, in any one currency.

    Attributes:
        prompt: of a million tokens that it reads, at least 0.
        completion: of a million that it writes, at least 0.
    """

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        if not (0 <= self.prompt < math.inf and 0 <= self.completion < math.inf):
            raise BenchmarkError(f"prices must be at least 0, got {self.prompt} and {self.completion}")

    def of(self, costs: Costs) -> float:
        """The price of a benchmark's tokens."""
        return (costs.prompt_tokens * self.prompt + costs.completion_tokens * self.completion) / 1e6


class Evidence(NamedTuple):
    """What figures were taken from: one benchmark of a run."""

    source: DataSource
    records: tuple[EpisodeRecord, ...]
    scores: tuple[Score, ...]
    figures: BenchmarkFigures


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        info: what the run was asked for.
        judge: the model whose verdicts count; empty for none.
        drop_failed: failed and missing episodes are in no mean.
        figures: one a benchmark.
        outputs_sha256: of the outputs of each benchmark, in order of items, without times.
        verdict_tokens: that the judge read and wrote for each benchmark, as its endpoint counts; those of verdicts that
            were asked for again as well.
        prices: of the model's tokens; None where they are not known.
    """

    info: RunInfo
    judge: str
    drop_failed: bool
    figures: tuple[BenchmarkFigures, ...]
    outputs_sha256: tuple[str, ...]
    verdict_tokens: tuple[int, ...]
    prices: Prices | None = None


def evidence_of(
    folder: ResultFolder, source: DataSource, samples: int, judge: str, drop_failed: bool = False
) -> Evidence:
    """Score one benchmark of a run from its raw outputs.

    Raises:
        BenchmarkError: a file is missing or damaged, its episodes are not those that were asked for, or the judge has
            judged none of its answers.
    """
    benchmark, items = benchmark_of(source.benchmark), folder.items(source.benchmark)
    attempts = read_attempts(folder.outputs(source.benchmark))
    records = latest(attempts)
    verdicts = read_verdicts(folder.verdicts(source.benchmark))
    scores = score_episodes(benchmark, items, samples, records, verdicts, judge or None)
    judged = (judge, PROMPT_VERSION) if judge and benchmark.metric == "judge" else None
    if judged:
        _check_judged(benchmark.title, judge, scores, verdicts.values())
    figures = figures_of(benchmark, items, samples, attempts, scores, judged, drop_failed)
    return Evidence(source, records, scores, figures)


def make_report(
    folder: ResultFolder, judge: str = "", drop_failed: bool = False, prices: Prices | None = None
) -> Report:
    """Make the report of a run from its raw outputs.

    Args:
        folder: of the run.
        judge: the model whose verdicts count; empty for none.
        drop_failed: leave failed and missing episodes out instead of scoring them 0.
        prices: of the model's tokens; None leaves costs out.

    Raises:
        BenchmarkError: a file is missing or damaged.
    """
    info = folder.info()
    found = [evidence_of(folder, source, info.samples, judge, drop_failed) for source in info.sources]
    return Report(
        info,
        judge,
        drop_failed,
        tuple([one.figures for one in found]),
        tuple([outputs_checksum(one.records) for one in found]),
        tuple([_verdict_tokens(folder, one.source, judge) for one in found]),
        prices,
    )


def outputs_checksum(records: Sequence[EpisodeRecord]) -> str:
    """SHA-256 of the records in order of their keys, without their times: the same for every order of ending."""
    digest = hashlib.sha256()
    for record in sorted(records, key=lambda record: record.key):
        digest.update(to_line(replace(record, seconds=0.0)).encode())
    return digest.hexdigest()


def as_json(report: Report) -> str:
    """The report as JSON; numbers in full precision."""
    return json.dumps({"format": FORMAT, **asdict(report)}, indent=2, ensure_ascii=False) + "\n"


def as_markdown(report: Report) -> str:
    """The report for people."""
    info = report.info
    lines = [f"# {info.model}, method {info.method}", ""]
    lines += _headlines(report)
    for name, told in notes(report):
        lines += ["", f"## {name}", "", *(f"- {line}" for line in told)]
    lines += ["", "## Provenance", "", *(f"- {name}: {value}" for name, value in provenance(report))]
    if report.judge:
        lines += ["", f"## Judge: {report.judge}, prompt version {PROMPT_VERSION}", "", "```text", PROMPT, "```"]
    return "\n".join(lines) + "\n"


def headline_cells(report: Report) -> list[tuple[str, ...]]:
    """A row a benchmark, with a cell for each of `HEADLINES`."""
    rows = []
    for figures in report.figures:
        counts = {count.name: count.number for count in figures.outcomes}
        interval = f"{_percent(figures.interval.low)} to {_percent(figures.interval.high)}"
        cells = (
            benchmark_of(figures.benchmark).title,
            figures.metric,
            _percent(figures.headline),
            interval,
            str(figures.items * figures.samples),
            str(counts["failed"] + counts["missing"]) + (" (left out)" if figures.left_out else ""),
            _published(benchmark_of(figures.benchmark).published),
        )
        rows.append(cells)
    return rows


def notes(report: Report) -> list[tuple[str, list[str]]]:
    """For each benchmark its title and, as lines, its figures, what data they were measured on and its checksums."""
    found = []
    for figures, source, checksum in zip(report.figures, report.info.sources, report.outputs_sha256, strict=True):
        price = [] if report.prices is None else [f"cost {report.prices.of(figures.costs):.2f}"]
        lines = [*_details(figures), *price, *_data_note(source), f"outputs sha256 {checksum}"]
        found.append((benchmark_of(figures.benchmark).title, lines))
    return found


def provenance(report: Report) -> list[tuple[str, str]]:
    """All that is needed to get the figures again, as names and values."""
    info = report.info
    rows = [("model", info.model), ("method", info.method), ("search", info.search or "none")]
    rows += [("visit", info.visit or "none"), ("tools", ", ".join(info.tools) or "those of each benchmark")]
    rows += [(name.replace("_", " "), str(value)) for name, value in asdict(info.play).items()]
    rows += [("samples", str(info.samples)), ("limit", str(info.limit or "none"))]
    rows.append(("failed episodes", "left out" if report.drop_failed else "count as 0"))
    return rows + [(name, number) for name, _, number in (version.partition(" ") for version in info.versions)]


def ledger(report: Report) -> str:
    """A sentence on the tokens of all benchmarks together, and what they cost."""
    costs = [figures.costs for figures in report.figures]
    read, wrote = sum(one.prompt_tokens for one in costs), sum(one.completion_tokens for one in costs)
    price = "" if report.prices is None else f", for {sum(map(report.prices.of, costs)):.2f}"
    judged = sum(report.verdict_tokens)
    judge = f"; the judge, {judged} tokens" if judged else ""
    return f"The model read {read} tokens and wrote {wrote}{price}{judge}."


def mean_line(report: Report) -> str:
    """A sentence on the mean of the headlines; empty for one benchmark."""
    if len(report.figures) == 1:
        return ""
    mean = sum(figures.headline for figures in report.figures) / len(report.figures)
    return f"Mean over {len(report.figures)} benchmarks: {_percent(mean)}."


def unfinished(report: Report) -> str:
    """A sentence on what was not played or judged yet; empty where there is nothing."""
    missing = sum(count.number for figures in report.figures for count in figures.outcomes if count.name == "missing")
    open_cases = sum(figures.judge.not_judged for figures in report.figures if figures.judge is not None)
    told = [f"{missing} episodes were not played yet"] if missing else []
    told += [f"{open_cases} answers were not judged yet"] if open_cases else []
    return f"Unfinished: {' and '.join(told)}." if told else ""


def _verdict_tokens(folder: ResultFolder, source: DataSource, judge: str) -> int:
    verdicts = all_verdicts(folder.verdicts(source.benchmark))
    return sum(one.prompt_tokens + one.completion_tokens for one in verdicts if one.model == judge)


def _check_judged(title: str, judge: str, scores: Sequence[Score], verdicts: Iterable[Verdict]) -> None:
    answered = [score for score in scores if score.outcome == "answered"]
    if not answered or any(score.verdict is not None for score in answered):
        return
    others = sorted({verdict.model for verdict in verdicts})
    raise BenchmarkError(
        f"{title}: {judge!r} has judged none of {len(answered)} answers with prompt version {PROMPT_VERSION}; there "
        f"are verdicts of {', '.join(map(repr, others)) or 'nobody'}; give --judge, the address of its endpoint"
    )


def _headlines(report: Report) -> list[str]:
    lines = ["| " + " | ".join(HEADLINES) + " |", "|---" * len(HEADLINES) + "|"]
    lines += ["| " + " | ".join(cells) + " |" for cells in headline_cells(report)]
    lines += ["", " ".join(filter(None, (mean_line(report), ledger(report))))]
    if told := unfinished(report):
        lines += ["", f"**{told}** Run the same command again to go on."]
    return lines


def _details(figures: BenchmarkFigures) -> list[str]:
    costs = figures.costs
    lines = [
        f"{figures.items} items, {figures.samples} samples each: "
        + ", ".join(f"{count.number} {count.name}" for count in figures.outcomes),
        f"grader {_percent(figures.graded)}, exact match {_percent(figures.exact)}, F1 {_percent(figures.f1)}",
        ", ".join(
            f"pass@{one.k} {_percent(one.value)}" + (f" ({one.items} items)" if one.items != figures.items else "")
            for one in figures.pass_at
        )
        + ("" if figures.majority is None else f", majority@{figures.samples} {_percent(figures.majority)}")
        + f", avg@{figures.samples} {_percent(figures.headline)}",
        f"format errors {_percent(costs.format_errors)}, cut by the token limit {_percent(costs.length_stops)}, "
        f"{costs.tool_calls:.2f} tool calls an episode of which {_percent(costs.tool_errors)} failed, "
        f"{costs.seconds:.1f} s an episode, "
        f"{costs.prompt_tokens} prompt and {costs.completion_tokens} completion tokens",
    ]
    if figures.judge is not None:
        judge = figures.judge
        agreement = (
            "no verdicts" if judge.agreement is None else f"agrees with exact match on {_percent(judge.agreement)}"
        )
        lines.append(
            f"judge: strict {_percent(judge.strict)}, lenient {_percent(judge.lenient)}, "
            f"{judge.neither} said neither, {judge.not_judged} not judged, {agreement}"
        )
        lines += [f"judge and exact match differ on {key}" for key in judge.disagreements]
    lines += [f"{one.kind} {one.name}: {_percent(one.value)} of {one.items} items" for one in figures.groups]
    # What an endpoint says may have lines of its own.
    lines += [f"failed: {' '.join(failure.split())}" for failure in figures.failures]
    return lines


def _data_note(source: DataSource) -> list[str]:
    benchmark = benchmark_of(source.benchmark)
    if not benchmark.ids_sha256:
        known = "no checksum is known for this benchmark"
    elif source.ids_sha256 != benchmark.ids_sha256:
        known = "other items than those of the public APPO evaluation files"
    elif source.items < benchmark.items:
        known = f"the first {source.items} of the {benchmark.items} items of the public APPO evaluation files"
    else:
        known = "the items of the public APPO evaluation files"
    left = f", {source.left_out} items with images left out" if source.left_out else ""
    revision = f", revision {source.revision} of {benchmark.hub}" if source.revision else ""
    canary = [benchmark.canary] if benchmark.canary else []
    return [f"data: {known}; file sha256 {source.file_sha256}{left}{revision}", *canary]


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _published(published: Sequence[Published]) -> str:
    groups = groupby(published, lambda one: one.source)
    return "; ".join(
        f"{', '.join(f'{one.system} {one.value}' for one in group)} ({source})" for source, group in groups
    )
