"""Runs cells side by side, each in a program of its own; what has its outcome is not run again.

Owns processes and nothing of what they compute. A cell that fails keeps its log, and the others go on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from appo_agent.analysis.compare.cells import OUTCOME, SETTINGS, Cell, cell_config
from appo_agent.analysis.compare.outcome import Outcome, read_outcome
from appo_agent.analysis.compare.results_dir import refuse_differences
from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.commands.parse import to_toml
from appo_agent.errors import RunError

_POLL_SECONDS = 0.2
_LOG = "log.txt"


class _Worker(NamedTuple):
    cell: Cell
    process: subprocess.Popen[bytes]
    began: float


def run_cells(
    spec: CompareSpec, cells: Sequence[Cell], results: Path, jobs: int, say: Callable[[str], object]
) -> list[Outcome]:
    """The outcomes of cells, in their order; runs those that have none yet, cold starts first.

    Args:
        spec: the comparison.
        cells: of one stage.
        results: the folder that holds them.
        jobs: cells at once, at least 1; each works on one thread.
        say: told of every cell that ends.

    Raises:
        RunError: a cell was begun with other settings, as when the preset's file changed, and nothing was run; or cells
            failed: names the first and where its log is. All others have run.
    """
    for cell in cells:
        _check_settings(spec, cell, results)
    bases = list(dict.fromkeys(cell.base for cell in cells if not _done(cell, results)))
    _run_missing(spec, [base for base in bases if not _done(base, results)], results, jobs, say)
    _run_missing(spec, [cell for cell in cells if not _done(cell, results)], results, jobs, say)
    return [read_outcome(results / cell.path / OUTCOME) for cell in cells]


def _check_settings(spec: CompareSpec, cell: Cell, results: Path) -> None:
    path = results / cell.path / SETTINGS
    if path.is_file():
        before, now = tomllib.loads(path.read_text(encoding="utf-8")), tomllib.loads(_settings(spec, cell, results))
        # The folder may have moved since.
        for settings in (before, now):
            settings["cold_start"].pop("policy")
        refuse_differences(results / cell.path, "configuration", before, now)


def _settings(spec: CompareSpec, cell: Cell, results: Path) -> str:
    return to_toml(cell_config(spec, cell, results))


def _done(cell: Cell, results: Path) -> bool:
    return (results / cell.path / OUTCOME).is_file()


def _run_missing(
    spec: CompareSpec, cells: Sequence[Cell], results: Path, jobs: int, say: Callable[[str], object]
) -> None:
    waiting, working, failed = list(cells), [], []
    try:
        while waiting or working:
            while waiting and len(working) < jobs:
                working.append(_start(spec, waiting.pop(0), results))
            time.sleep(_POLL_SECONDS)
            for worker in [each for each in working if each.process.poll() is not None]:
                working.remove(worker)
                took = time.monotonic() - worker.began
                if worker.process.returncode or not _done(worker.cell, results):
                    failed.append(worker.cell)
                    say(f"FAILED {worker.cell} after {took:.0f} s")
                else:
                    left = len(waiting) + len(working)
                    after = read_outcome(results / worker.cell.path / OUTCOME).after
                    say(f"{worker.cell}: {after:.3f} in {took:.0f} s, {left} left")
    finally:
        # Asked to end, a run writes a checkpoint, from which the next call takes it up.
        for worker in working:
            worker.process.terminate()
        for worker in working:
            worker.process.wait()
    if failed:
        log = results / failed[0].path / _LOG
        raise RunError(
            f"{len(failed)} of {len(cells)} cells failed, the first: {failed[0]}; see {log}. Run the command again to "
            "go on with what is missing"
        )


def _start(spec: CompareSpec, cell: Cell, results: Path) -> _Worker:
    folder = results / cell.path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(_settings(spec, cell, results), encoding="utf-8")
    passes = spec.pass_samples if cell.stage == "confirm" else 0
    words = ["--pass-samples", str(passes), "--pass-questions", str(spec.pass_questions)]
    with (folder / _LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appo_agent.analysis.compare.cell_run", str(folder), *words],
            # A cell notices by its end that we are gone, however we went.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    return _Worker(cell, process, time.monotonic())
