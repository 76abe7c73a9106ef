"""The program that runs one cell: trains, or goes on where a killed one stopped, and writes what was found.

    python -m appo_agent.analysis.compare.cell_run FOLDER --pass-samples K --pass-questions Q

FOLDER holds `cell.toml`, the settings of the run; `run/`, `cpu_seconds.json` and `outcome.json` are written beside it.
When its standard input ends, whoever started it is gone: it writes a checkpoint and ends.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

from appo_agent.analysis.compare.cells import CPU, OUTCOME, RUN, SETTINGS
from appo_agent.analysis.compare.outcome import Outcome, spent_and_curve, write_outcome
from appo_agent.analysis.compare.results_dir import read_json, write_json
from appo_agent.analysis.statistics import pass_at_k
from appo_agent.commands import train
from appo_agent.errors import AppoError, RunError
from appo_agent.evaluation import EvaluationResult, play
from appo_agent.training.build import Agent, build_agent
from appo_agent.training.checkpoint import latest_checkpoint, load_checkpoint
from appo_agent.training.metrics import read_metrics
from appo_agent.training.run import Position, env_tasks
from appo_agent.training.run_dir import RunDir
from appo_envs.seeding import derive_seed

_LAST_CHECKPOINT_SECONDS = 60.0


def main() -> int:
    """Run the cell. Returns the exit code of the training run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pass-samples", type=int, default=0)
    parser.add_argument("--pass-questions", type=int, default=128)
    options = parser.parse_args()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        code = run_cell(options.folder, options.pass_samples, options.pass_questions)
    except AppoError as error:
        print(f"appo: {error}", file=sys.stderr)
        return 2
    return code


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def run_cell(folder: Path, pass_samples: int = 0, pass_questions: int = 128) -> int:
    """Train the cell in a folder and write its outcome. Returns the exit code of the training run.

    Args:
        folder: holds the settings; the run is taken up if it has begun.
        pass_samples: largest k of pass@k; 0 leaves it out.
        pass_questions: questions of the test split for it.

    Raises:
        AppoError: the run refused to start or to go on.
    """
    if (folder / RUN).is_dir():
        _wait_until_free(RunDir(folder / RUN))
    try:
        code = train.run(_train_words(folder))
    finally:
        # What is not finished was paid for too.
        cpu_seconds = _add_cpu(folder / CPU)
    if code:
        return code
    directory = RunDir.open(folder / RUN)
    before, after = _evaluations(directory)
    rows = read_metrics(directory.metrics) if directory.metrics.is_file() else []
    spent, curve = spent_and_curve(rows, cpu_seconds)
    passes = _pass_at(directory, pass_samples, pass_questions) if pass_samples else ()
    outcome = Outcome(before.success, after.success, after.episodes, spent, curve, passes)
    write_outcome(folder / OUTCOME, outcome)
    return 0


def _wait_until_free(directory: RunDir) -> None:
    """An earlier program of this cell may still be writing its last checkpoint."""
    deadline = time.monotonic() + _LAST_CHECKPOINT_SECONDS
    while True:
        try:
            with directory.lock():
                return
        except RunError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _train_words(folder: Path) -> list[str]:
    run = folder / RUN
    if latest_checkpoint(run / "checkpoints") is not None:
        return ["--resume", str(run), "--json"]
    # Killed before its first checkpoint: there is nothing to take up.
    shutil.rmtree(run, ignore_errors=True)
    return [str(folder / SETTINGS), "--run-dir", str(run), "--json"]


def _evaluations(directory: RunDir) -> tuple[EvaluationResult, EvaluationResult]:
    newest = latest_checkpoint(directory.checkpoints)
    position = Position() if newest is None else Position.from_state(load_checkpoint(newest).state)
    if position.before is None or position.after is None:
        raise RunError(f"{directory.path} ended without its evaluations")
    return position.before, position.after


def _pass_at(directory: RunDir, samples: int, questions: int) -> tuple[float, ...]:
    """pass@k for k up to `samples`, each question of the test split answered that often."""
    config = train.load_config(str(directory.config), [])
    agent = build_agent(config, directory.policy)
    try:
        wins = _wins(agent, samples, questions, config.seed)
    finally:
        agent.close()
    return tuple(sum(pass_at_k(won, samples, k) for won in wins) / len(wins) for k in range(1, samples + 1))


def _wins(agent: Agent, samples: int, questions: int, seed: int) -> list[int]:
    """Successes of each question."""
    tasks = env_tasks(agent, "test")
    chosen = [tasks[index] for index in range(min(questions, len(tasks)))]
    repeated = [task for task in chosen for _ in range(samples)]
    trees = play(agent.collector, agent.sampler, repeated, derive_seed(seed, "pass at k"))
    won = [any(bool(rollout.info.get("is_success")) for rollout in tree.initial) for tree in trees]
    return [sum(won[start : start + samples]) for start in range(0, len(won), samples)]


def _add_cpu(path: Path) -> float:
    """Add this program's seconds to those of the programs that worked on the cell before. Returns the sum."""
    seconds = (read_json(path) if path.is_file() else 0.0) + _cpu()
    write_json(path, seconds)
    return seconds


def _cpu() -> float:
    """Seconds of processor time of this program and of the programs it waited for."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    raise SystemExit(main())
