"""`appo bench`: benchmarks of question answering, for runs, models and endpoints.

Owns the words of the command line; the work is done by `appo_benchmarks`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from appo_agent.errors import ConfigError

if TYPE_CHECKING:
    from appo_agent.training.contamination import EvaluationIndex

HELP = "Run, judge, compare and verify benchmarks."
KEY_VARIABLE = "OPENAI_API_KEY"
JUDGE_KEY_VARIABLE = "JUDGE_API_KEY"


def run(argv: Sequence[str]) -> int:
    """Carry out the command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="appo bench", description=HELP, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_list(verbs.add_parser("list", help="the benchmarks and the methods", allow_abbrev=False))
    _add_fetch(verbs.add_parser("fetch", help="download benchmarks, pinned to a commit", allow_abbrev=False))
    _add_run(verbs.add_parser("run", help="play what is not yet played, then report", allow_abbrev=False))
    _add_report(verbs.add_parser("report", help="make the report again, with or without a judge", allow_abbrev=False))
    _add_compare(verbs.add_parser("compare", help="two runs on the same items", allow_abbrev=False))
    _add_verify(verbs.add_parser("verify", help="every number again from the raw outputs", allow_abbrev=False))
    _add_overlap(verbs.add_parser("overlap", help="training tasks that are evaluation items", allow_abbrev=False))
    _add_hash(verbs.add_parser("hash", help="evaluation items as hashes, for training to refuse", allow_abbrev=False))
    options = parser.parse_args(argv)
    verb: Callable[[argparse.Namespace], int] = options.carry_out
    return verb(options)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=_list)


def _list(options: argparse.Namespace) -> int:
    from appo_benchmarks.methods import METHODS
    from appo_benchmarks.registry import BENCHMARKS

    print("benchmarks:")
    for one in BENCHMARKS.values():
        gated = "; gated" if one.access else ""
        print(f"  {one.name:<18} {one.items:>5} items  {one.metric:<8}  {one.hub} ({one.licence}{gated})")
        for note in filter(None, (one.access, one.canary)):
            print(f"  {'':<18} {note}")
    print("methods:")
    for method in METHODS.values():
        print(f"  {method.name:<18} {method.summary}")
    return 0


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=_fetch)
    parser.add_argument("benchmarks", metavar="NAMES", help="benchmarks, separated by commas")
    parser.add_argument("--data-dir", type=Path, required=True, help="where they go")
    parser.add_argument("--revision", default="", help="commit, branch or tag (default: as before, or the newest)")


def _fetch(options: argparse.Namespace) -> int:
    from appo_benchmarks.fetch import fetch
    from appo_benchmarks.registry import benchmark_of

    for benchmark in map(benchmark_of, _names(options.benchmarks)):
        found = fetch(benchmark, options.data_dir, options.revision)
        print(f"{benchmark.name}: {found.items} items in {found.path}, revision {found.revision}")
    return 0


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=_run)
    parser.add_argument("model", metavar="MODEL", help="a run, a Hugging Face folder or id, or an endpoint's address")
    parser.add_argument("benchmarks", metavar="NAMES", help="benchmarks, separated by commas")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with NAME/test.jsonl for each benchmark")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; the same again goes on")
    parser.add_argument("--method", default="trained", help="see `appo bench list` (default: trained)")
    parser.add_argument("--samples", type=int, default=1, help="of each item (default: 1)")
    parser.add_argument("--limit", type=int, default=0, help="first items only; 0: all (default: 0)")
    parser.add_argument("--search", default="", help="duckduckgo, a retrieval server, or a folder with a BM25 index")
    parser.add_argument("--visit", default="", help="pages for deep-search benchmarks: web, or a JSONL file of pages")
    parser.add_argument("--search-cache", type=Path, help="a file that records and replays searches and visits")
    parser.add_argument("--replay", action="store_true", help="ask for no search or visit that is not in that file")
    parser.add_argument("--tools", default="", help="python, search, visit: instead of each benchmark's own")
    parser.add_argument("--retry-failed", action="store_true", help="play again what the endpoint or a tool failed")
    parser.add_argument("--concurrency", type=int, default=16, help="episodes at once (default: 16)")
    parser.add_argument("--temperature", type=float, default=0.6, help="of sampling (default: 0.6)")
    parser.add_argument("--max-tokens", type=int, default=4096, help="of a turn (default: 4096)")
    parser.add_argument("--max-turns", type=int, default=12, help="of an episode (default: 12)")
    parser.add_argument("--max-tool-calls", type=int, default=10, help="of an episode (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of sampling (default: 0)")
    parser.add_argument("--sampler", default="auto", help="of a local policy (default: auto)")
    parser.add_argument("--model-name", help="as the endpoint names it (default: its first)")
    parser.add_argument(
        "--key-variable", default=KEY_VARIABLE, help=f"variable with the endpoint's key (default: {KEY_VARIABLE})"
    )
    _add_judge(parser)


def _run(options: argparse.Namespace) -> int:
    from appo_benchmarks.play import PlaySettings
    from appo_benchmarks.session import RunRequest
    from appo_benchmarks.session import run as run_benchmarks

    try:
        play = PlaySettings(
            options.temperature, options.max_tokens, options.max_turns, options.max_tool_calls, options.seed
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
    request = RunRequest(
        model=options.model,
        benchmarks=_names(options.benchmarks),
        data_dir=options.data_dir,
        out=options.out,
        method=options.method,
        search=options.search,
        visit=options.visit,
        search_cache=options.search_cache,
        replay=options.replay,
        tools=_names(options.tools),
        samples=options.samples,
        limit=options.limit,
        concurrency=options.concurrency,
        retry_failed=options.retry_failed,
        model_name=options.model_name,
        key=os.environ.get(options.key_variable, ""),
        sampler=options.sampler,
        play=play,
    )
    run_benchmarks(request)
    return _judge_and_report(options, options.out)


def _names(written: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, written.split(","))))


def _prices(written: str) -> tuple[float, float]:
    try:
        prompt, completion = map(float, written.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected two numbers, as in 0.15,0.60, got {written!r}") from error
    return prompt, completion


def _add_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", metavar="URL", help="endpoint of a judge, asked for answers without a verdict")
    parser.add_argument("--judge-model", default="", help="whose verdicts count (default: the first of the endpoint)")
    parser.add_argument("--rejudge", action="store_true", help="ask the judge for all answers again")
    parser.add_argument(
        "--judge-key-variable",
        default=JUDGE_KEY_VARIABLE,
        help=f"variable with the judge's key (default: {JUDGE_KEY_VARIABLE})",
    )
    parser.add_argument("--prices", type=_prices, help="of a million tokens read and written, as in 0.15,0.60")
    parser.add_argument("--drop-failed", action="store_true", help="leave failed and missing episodes out of means")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=lambda options: _judge_and_report(options, options.results))
    parser.add_argument("results", type=Path, help="a folder of results")
    _add_judge(parser)


def _judge_and_report(options: argparse.Namespace, path: Path) -> int:
    from appo_benchmarks.endpoint import Endpoint
    from appo_benchmarks.report import Prices, as_json, as_markdown
    from appo_benchmarks.results import ResultFolder
    from appo_benchmarks.session import judge_run, unused_verdicts, write_report

    if options.rejudge and not options.judge:
        raise ConfigError("--rejudge needs --judge, the address of the endpoint")
    folder, judge = ResultFolder(path), options.judge_model
    if options.judge:
        key = os.environ.get(options.judge_key_variable, "")
        endpoint = Endpoint(options.judge, options.judge_model or None, key)
        judge_run(folder, endpoint, rejudge=options.rejudge)
        judge = endpoint.model
    elif not judge and (told := unused_verdicts(folder)):
        print(told, file=sys.stderr)
    report = write_report(folder, judge, options.drop_failed, options.prices and Prices(*options.prices))
    _print(as_json(report) if options.json else as_markdown(report), end="")
    return 0


def _print(text: str, end: str = "\n") -> None:
    # Texts of data sets and models may hold half a character, which no terminal can be sent.
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end=end)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=_compare)
    parser.add_argument("a", type=Path, help="results that the others are measured against")
    parser.add_argument("b", type=Path, help="the other results")
    parser.add_argument("--judge-model", default="", help="whose verdicts count (default: none)")
    parser.add_argument("--seed", type=int, default=0, help="of resampling (default: 0)")


def _compare(options: argparse.Namespace) -> int:
    from appo_benchmarks.compare import compare_runs, table
    from appo_benchmarks.results import ResultFolder

    folders = ResultFolder(options.a), ResultFolder(options.b)
    print(table(compare_runs(*folders, judge=options.judge_model, seed=options.seed)))
    return 0


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=_verify)
    parser.add_argument("results", type=Path, help="a folder of results with a report")


def _verify(options: argparse.Namespace) -> int:
    from appo_benchmarks.results import ResultFolder
    from appo_benchmarks.verify import verify

    differences = verify(ResultFolder(options.results))
    for difference in differences:
        _print(difference)
    print(f"{len(differences)} differences" if differences else "every number follows from the outputs")
    return 1 if differences else 0


def _add_overlap(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=_overlap)
    parser.add_argument("tasks", type=Path, help='training tasks as JSONL, each with "id" and "prompt" or "question"')
    parser.add_argument("benchmarks", metavar="NAMES", help="benchmarks, separated by commas")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with NAME/test.jsonl for each benchmark")


def _overlap(options: argparse.Namespace) -> int:
    from appo_agent.training.contamination import describe
    from appo_envs import Task

    index = _index(options)
    try:
        lines = options.tasks.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected training tasks as JSONL in {options.tasks}: {error}") from error
    tasks = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
                tasks.append(Task(str(row.get("id", number)), str(row.get("prompt") or row["question"]), ""))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ConfigError(
                    f'{options.tasks}:{number}: expected an object with "prompt" or "question", got {line[:80]!r}'
                ) from error
    found = index.overlaps(tasks)
    for overlap in found:
        _print(describe([overlap]))
    print(f"{len(found)} of {len(tasks)} tasks are too near to an evaluation item")
    return 1 if found else 0


def _add_hash(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(carry_out=_hash)
    parser.add_argument("benchmarks", metavar="NAMES", help="benchmarks, separated by commas")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with NAME/test.jsonl for each benchmark")
    parser.add_argument("--out", type=Path, required=True, help="the file, for `appo train --evaluation-items`")


def _hash(options: argparse.Namespace) -> int:
    index = _index(options)
    try:
        index.save(options.out)
    except OSError as error:
        raise ConfigError(f"--out {options.out}: {error}") from error
    print(f"{len(index)} items as hashes in {options.out}")
    return 0


def _index(options: argparse.Namespace) -> EvaluationIndex:
    from appo_benchmarks.loaders import load_items
    from appo_benchmarks.registry import benchmark_of

    from appo_agent.training.contamination import EvaluationIndex, EvaluationItem

    named = [benchmark_of(name) for name in _names(options.benchmarks)]
    items = [item for one in named for item in load_items(one, options.data_dir).items]
    return EvaluationIndex(EvaluationItem(item.id, item.question) for item in items)
