"""One call from the command line: a model on several benchmarks, then judge and report.

Owns the order of things: all data is read and checked before the first question is asked.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appo_benchmarks.benchmark import Benchmark, Item
from appo_benchmarks.endpoint import Endpoint, RequestRefused
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.judge import all_verdicts, judge_all
from appo_benchmarks.loaders import LoadedItems, ids_checksum, load_items
from appo_benchmarks.local_policy import served
from appo_benchmarks.methods import method_of
from appo_benchmarks.output_file import read_records
from appo_benchmarks.play import Player, PlaySettings, tasks_of
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.report import JSON_NAME, MARKDOWN_NAME, Prices, Report, as_json, as_markdown, make_report
from appo_benchmarks.report_page import PAGE_NAME, as_html
from appo_benchmarks.results import DataSource, ResultFolder, RunInfo, installed_versions, items_checksum
from appo_benchmarks.runner import Progress, run_episodes
from appo_benchmarks.scoring import judged_case
from appo_benchmarks.tooling import gateway, needed, page_source, search_backend, tool_makers, tools_of


@dataclass(frozen=True)
class RunRequest:
    """What is to be run.

    Attributes:
        model: a run directory, a Hugging Face folder or id, or the address of an endpoint.
        benchmarks: names.
        data_dir: where their files are.
        out: folder of the results.
        method: its name.
        search: see `tooling.search_backend`; empty for none.
        visit: see `tooling.page_source`; empty for no visits.
        search_cache: a file that records answers of searches and visits; None asks every time.
        replay: take answers of searches and visits from that file alone.
        tools: instead of those of each benchmark; empty for its own.
        samples: of each item, at least 1.
        limit: on the items of each benchmark; 0 for none.
        concurrency: episodes at once, at least 1.
        retry_failed: play episodes again that the endpoint or a tool failed.
        model_name: as the endpoint names the model; None for its first.
        key: for the endpoint; never stored.
        sampler: of a local policy.
        play: how episodes are played.
    """

    model: str
    benchmarks: tuple[str, ...]
    data_dir: Path
    out: Path
    method: str = "trained"
    search: str = ""
    visit: str = ""
    search_cache: Path | None = None
    replay: bool = False
    tools: tuple[str, ...] = ()
    samples: int = 1
    limit: int = 0
    concurrency: int = 16
    retry_failed: bool = False
    model_name: str | None = None
    key: str = ""
    sampler: str = "auto"
    play: PlaySettings = PlaySettings()

    def __post_init__(self) -> None:
        if self.samples < 1 or self.limit < 0 or self.concurrency < 1:
            raise BenchmarkError(
                "--samples and --concurrency must be at least 1 and --limit at least 0, got "
                f"{self.samples}, {self.concurrency} and {self.limit}"
            )
        if not self.benchmarks or len(set(self.benchmarks)) != len(self.benchmarks):
            raise BenchmarkError(f"expected different benchmarks, got {', '.join(self.benchmarks) or 'none'}")
        if not is_address(self.model) and self.play.temperature <= 0:
            raise BenchmarkError("--temperature must be above 0 for a policy of this machine")


def is_address(model: str) -> bool:
    """Whether a model is named by the address of an endpoint."""
    return model.startswith(("http://", "https://"))


def run(request: RunRequest) -> ResultFolder:
    """Play all episodes that are not on disk yet, and write the report.

    Raises:
        BenchmarkError: bad data, another run in the folder, or no search where it is needed.
        EndpointDown: the endpoint answers no request; the same call goes on where this one stopped.
    """
    benchmarks = [benchmark_of(name) for name in request.benchmarks]
    loaded = {one.name: load_items(one, request.data_dir) for one in benchmarks}
    items = {name: _limited(read, request.limit) for name, read in loaded.items()}
    tasks = {name: tasks_of(listed) for name, listed in items.items()}
    through = gateway(request.search_cache, request.replay)
    search = search_backend(request.search, through) if request.search else None
    pages = page_source(request.visit, through) if request.visit else None
    method = method_of(request.method)
    # Before a model is loaded, which takes minutes.
    for benchmark in benchmarks:
        tool_makers(tools_of(benchmark, method, pages is not None, request.tools), search, pages)
    if method.retrieved:
        needed(search)
    folder = ResultFolder(request.out)
    with _endpoint(request) as endpoint:

        def player(benchmark: Benchmark) -> Player:
            return Player(
                benchmark, tasks[benchmark.name], method, search, endpoint, request.play, pages, request.tools
            )

        sources = tuple([_source(one, loaded[one.name], items[one.name], player(one)) for one in benchmarks])
        name = f"{request.model} {endpoint.model}" if is_address(request.model) else request.model
        info = RunInfo(
            name,
            request.method,
            "" if search is None else search.name,
            request.samples,
            request.limit,
            request.play,
            sources,
            installed_versions(),
            request.visit,
            request.tools,
        )
        folder.begin(info, dict(items))
        for benchmark in benchmarks:
            run_episodes(
                items[benchmark.name],
                request.samples,
                folder.outputs(benchmark.name),
                lambda benchmark=benchmark: player(benchmark),
                request.concurrency,
                lambda progress, name=benchmark.name: _show(name, progress),
                request.retry_failed,
            )
    return folder


def judge_run(folder: ResultFolder, judge: Endpoint, *, rejudge: bool = False) -> None:
    """Have every answer of the benchmarks with a judge judged; answers that were judged before are not asked again.

    Requests that the judge fails are told on stderr; their answers are not judged.

    Args:
        folder: of the run; nothing is generated anew.
        judge: the endpoint of the judge.
        rejudge: ask again for all.

    Raises:
        BenchmarkError: a file is damaged.
        EndpointDown: the judge answers no request; verdicts so far are kept.
    """
    for source in folder.info().sources:
        if benchmark_of(source.benchmark).metric != "judge":
            continue
        by_id = {item.id: item for item in folder.items(source.benchmark)}
        records = read_records(folder.outputs(source.benchmark))
        cases = [judged_case(by_id[record.item], record) for record in records if record.item in by_id]
        wanted = [case for case in cases if case is not None]
        failures: list[RequestRefused] = []
        judge_all(wanted, judge, folder.verdicts(source.benchmark), rejudge=rejudge, show_failure=failures.append)
        if failures:
            told = f"{source.benchmark}: the judge failed {len(failures)} requests, such as: {failures[0]}"
            print(f"{told}; the same command makes them again", file=sys.stderr)


def unused_verdicts(folder: ResultFolder) -> str:
    """A sentence on the verdicts that a report without a judge leaves aside; empty where there are none.

    Raises:
        BenchmarkError: a file is damaged.
    """
    names = [source.benchmark for source in folder.info().sources if benchmark_of(source.benchmark).metric == "judge"]
    models = {name: {verdict.model for verdict in all_verdicts(folder.verdicts(name))} for name in names}
    judged = ", ".join(name for name in names if models[name])
    judges = ", ".join(sorted(set().union(*models.values())))
    told = f"the headline of {judged} is the grader's now; the verdicts of {judges} count with --judge or --judge-model"
    return told if judged else ""


def write_report(
    folder: ResultFolder, judge: str = "", drop_failed: bool = False, prices: Prices | None = None
) -> Report:
    """Make the report from the raw outputs and write all of its forms."""
    report = make_report(folder, judge, drop_failed, prices)
    folder.write(JSON_NAME, as_json(report))
    folder.write(MARKDOWN_NAME, as_markdown(report))
    folder.write(PAGE_NAME, as_html(report))
    return report


@contextmanager
def _endpoint(request: RunRequest) -> Iterator[Endpoint]:
    if is_address(request.model):
        yield Endpoint(request.model, request.model_name, request.key)
        return
    with served(request.model, request.sampler) as here:
        yield Endpoint(here.url, None, here.key)


def _limited(loaded: LoadedItems, limit: int) -> Sequence[Item]:
    return loaded.items[:limit] if limit else loaded.items


def _source(benchmark: Benchmark, loaded: LoadedItems, items: Sequence[Item], player: Player) -> DataSource:
    player.close()
    return DataSource(
        benchmark.name,
        len(items),
        ids_checksum(loaded.items),
        loaded.sha256,
        loaded.left_out,
        player.system_prompt,
        loaded.revision,
        items_checksum(items),
    )


def _show(name: str, progress: Progress) -> None:
    failed = f", {progress.failed} failed" if progress.failed else ""
    told = f"{name}: {progress.done} of {progress.total} episodes{failed}"
    print(f"{told}, {progress.tokens} tokens, {progress.seconds:.0f} s", file=sys.stderr)
