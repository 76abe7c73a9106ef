"""Whole runs on a local cluster: a driver that dies goes on from its checkpoint, workers that die change nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray
SETTINGS = (
    "quick",
    "--policy.hidden-size=32",
    "--policy.num-hidden-layers=1",
    "--cold-start.steps=20",
    "--evaluation.episodes=32",
    "--evaluation.validation-episodes=0",
    "--checkpoint-every=1",
    "--cluster.cpus-per-worker=0.25",
    "--cluster.object-store-mb=80",
)
# Figures that are times.
TIMES = "seconds"


def started(run: Path, *more: str) -> subprocess.Popen[str]:
    appo = Path(sys.executable).parent / "appo"
    command = [str(appo), "train", *more, "--cluster", "local", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log = (run.parent / f"{run.name}.log").open("a")
    return subprocess.Popen(
        command, stdout=log, stderr=log, text=True, env=environment, cwd=run.parent, start_new_session=True
    )


def figures(run: Path) -> list[dict[str, float]]:
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [{name: value for name, value in json.loads(line).items() if not name.startswith(TIMES)} for line in lines]


def finish(process: subprocess.Popen[str], run: Path) -> None:
    assert process.wait(timeout=240) == 0, (run.parent / f"{run.name}.log").read_text()[-2000:]


def end(process: subprocess.Popen[str]) -> None:
    # The driver leads a group of its own, in which its Ray is too.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for_steps(run: Path, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 120
    while len(figures(run)) < count:
        assert process.poll() is None, (run.parent / f"{run.name}.log").read_text()[-2000:]
        assert time.monotonic() < deadline, f"{len(figures(run))} of {count} steps"
        time.sleep(0.1)


def test_a_killed_driver_goes_on_from_its_checkpoint_on_a_new_cluster(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    process = started(whole, *SETTINGS, "--max-steps=4", "--run-dir", str(whole))
    finish(process, whole)
    process = started(cut, *SETTINGS, "--max-steps=4", "--run-dir", str(cut))
    wait_for_steps(cut, process, 2)
    end(process)
    before = time.monotonic()
    process = started(cut, "--resume", str(cut))
    wait_for_steps(cut, process, 3)
    print(f"\nthe next step was done {time.monotonic() - before:.1f} s after the restart")
    finish(process, cut)
    assert len(figures(whole)) == 4
    assert figures(cut) == figures(whole)
    ours, theirs = (run / "policy" / "model.safetensors" for run in (cut, whole))
    assert ours.read_bytes() == theirs.read_bytes()
