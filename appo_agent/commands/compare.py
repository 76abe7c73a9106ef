"""`appo compare`: algorithms under one protocol, and what follows from it."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from appo_agent.errors import ConfigError

if TYPE_CHECKING:
    from appo_agent.analysis.compare.cells import Cell
    from appo_agent.analysis.compare.outcome import Outcome
    from appo_agent.analysis.compare.results_dir import ResultsDir
    from appo_agent.analysis.compare.spec import CompareSpec

HELP = "Compare algorithms at equal budgets: explore, pilot, confirm; takes up what died."
STAGES = ("explore", "pilot", "confirm")


def run(argv: Sequence[str]) -> int:
    """Carry out the command. Returns the exit code."""
    options = _parse(argv)
    if options.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {options.jobs}")

    from appo_agent.analysis.compare.results_dir import ResultsDir
    from appo_agent.analysis.compare.spec import load_spec, spec_names

    if options.spec is None:
        print("\n".join(f"{name:<8} {load_spec(name).about}" for name in spec_names()))
        return 0
    spec = load_spec(options.spec)
    from appo_agent.analysis.compare.check import check_cells

    check_cells(spec)
    folder = ResultsDir.begin(options.results or Path("results") / spec.name, spec)
    # Asked to end by a signal, it ends the cells too.
    with folder.lock(), _interrupted_by(signal.SIGTERM):
        _run_stages(spec, folder, options)
    return 0


def _run_stages(spec: CompareSpec, folder: ResultsDir, options: argparse.Namespace) -> None:
    last = STAGES.index(options.stage)

    from appo_agent.analysis.compare.stages import confirm, explore, pilot
    from appo_agent.analysis.compare.workers import run_cells

    def runner(cells: Sequence[Cell]) -> list[Outcome]:
        return run_cells(spec, cells, folder.path, options.jobs, lambda text: print(text, flush=True))

    explore(spec, folder, runner)
    print(f"learning rates  {folder.rates}", flush=True)
    if last >= 1:
        pilot(spec, folder, runner)
        print(f"protocol        {folder.protocol}", flush=True)
    if last >= 2:
        _conclude(spec, folder, confirm(spec, folder, runner), options.keep)


@contextmanager
def _interrupted_by(number: signal.Signals) -> Iterator[None]:
    """A signal does what Ctrl-C does while the block runs."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appo compare", description=HELP, allow_abbrev=False)
    parser.add_argument("spec", nargs="?", help="a TOML file or a shipped name; without it: what is shipped")
    parser.add_argument("--results", type=Path, help="folder of the results (default: results/NAME)")
    parser.add_argument("--stage", choices=STAGES, default="confirm", help="the last stage to run (default: confirm)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once (default: one a core)")
    parser.add_argument("--keep", type=Path, help="also write the figures, as JSON, to this file")
    return parser.parse_args(argv)


def _conclude(
    spec: CompareSpec, folder: ResultsDir, outcomes: Sequence[tuple[Cell, Outcome]], keep: Path | None
) -> None:
    from appo_agent.analysis.compare.findings import find, write_findings, write_table
    from appo_agent.analysis.compare.plots import draw
    from appo_agent.analysis.compare.report import markdown, summary

    findings = find(spec, folder, outcomes)
    write_findings(findings, folder.results)
    write_table(findings, folder.table)
    folder.report.write_text(markdown(findings), encoding="utf-8")
    pictures = draw(findings, folder.path)
    if keep is not None:
        write_findings(findings, keep)
    print(summary(findings))
    print(f"report          {folder.report}")
    print(f"figures         {folder.results}, {folder.table}")
    print(f"pictures        {', '.join(path.name for path in pictures)}")
