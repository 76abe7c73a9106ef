"""`appo view`: runs as a report to look at, in one file or served while they go on; folders of results as a page."""

from __future__ import annotations

import argparse
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from appo_agent.errors import ConfigError, RunError

HELP = "Show runs in a browser: learning curves, rollout trees, transcripts coloured token by token."
DEFAULT_LIMIT = 400
MEGABYTE = 2**20
RUN_PAGE = "report.html"
RESULTS_PAGE = "results.html"
"""Another name than that of a run's page: `appo bench` has a report.html of its own in its folders."""


def run(argv: Sequence[str]) -> int:
    """Carry out the command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="appo view", description=HELP, allow_abbrev=False)
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="a run directory, several of which are compared; or a folder of results, as other commands write it",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE.html",
        help=f"where the report goes (default: {RUN_PAGE} in the first run, {RESULTS_PAGE} in a folder of results)",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="MB",
        help=f"recorded trees a run brings into the file; beyond it, steps are left out evenly "
        f"(default: {DEFAULT_LIMIT})",
    )
    parser.add_argument("--serve", action="store_true", help="serve the report instead, following runs as they go on")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8377, help="port to serve at, 0 for any free one (default: 8377)")
    parser.add_argument("--open", action="store_true", help="open a browser")
    options = parser.parse_args(argv)
    if options.limit < 1:
        raise ConfigError(f"--limit must be at least 1 MB, got {options.limit}")
    if options.serve and options.output is not None:
        raise ConfigError("--serve writes no file; leave out --output or --serve")
    from appo_agent.report.results_page import is_results_folder

    results = [path for path in options.runs if is_results_folder(path)]
    if results:
        if options.serve or len(options.runs) > 1:
            raise ConfigError(f"{results[0]} is a folder of results: it is shown by itself, and without --serve")
        return _write_results(results[0], options.output, options.open)
    if options.serve:
        return _serve(options.runs, options.host, options.port, options.open)
    return _write(options.runs, options.output, options.limit * MEGABYTE, options.open)


def _write(runs: Sequence[Path], output: Path | None, limit: int, open_browser: bool) -> int:
    from appo_agent.report.document import write_document
    from appo_agent.report.library import Library

    library = Library(runs, limit, kept=None)
    path = runs[0] / RUN_PAGE if output is None else output
    summary = library.summary()
    try:
        size = write_document(path, library.title, summary, library.chunks())
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; choose another place with --output") from error
    for found in summary.runs:
        for note in found.notes:
            print(f"note: {found.name}: {note}")
    trees = sum(len(file.trees) for found in summary.runs for file in found.files)
    print(f"{path}  ({size / MEGABYTE:.1f} MB, {trees} rollout trees); open it in any browser, it needs nothing else")
    if open_browser:
        _open(path.resolve().as_uri())
    return 0


def _write_results(folder: Path, output: Path | None, open_browser: bool) -> int:
    from appo_agent.report.document import write_whole
    from appo_agent.report.results_page import result_files, results_document

    path = folder / RESULTS_PAGE if output is None else output
    count = len(result_files(folder))
    try:
        size = write_whole(path, results_document(folder))
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; choose another place with --output") from error
    print(f"{path}  ({size / MEGABYTE:.1f} MB, {count} files); open it in any browser, it needs nothing else")
    if open_browser:
        _open(path.resolve().as_uri())
    return 0


def _serve(runs: Sequence[Path], host: str, port: int, open_browser: bool) -> int:
    from appo_agent.report.library import Library
    from appo_agent.report.server import ViewServer

    with ViewServer(Library(runs), host, port) as server:
        print(f"{server.url}  (Ctrl-C ends it)", flush=True)
        if server.token:
            print("anybody with this address can read the runs; the connection is not encrypted", flush=True)
        if open_browser:
            _open(server.url)
        server.serve_forever()
    return 0


def _open(url: str) -> None:
    if not webbrowser.open(url):
        print(f"no browser found here; open {url} yourself")
