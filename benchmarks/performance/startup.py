"""How long a person waits before anything happens: imports and `appo --help`, each in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from row import Row

REPEATS = 7


def rows() -> list[Row]:
    """Import of the environments against bare gymnasium; `appo --help` against a bare interpreter."""
    environments, gymnasium = _import_seconds("appo_envs"), _import_seconds("gymnasium")
    shown = _process_seconds("from appo_agent.commands.main import main; main(['--help'])")
    bare = _process_seconds("pass")
    return [
        Row(
            "import appo_envs",
            environments,
            "s",
            f"import gymnasium {gymnasium:.3f} s",
            environments / gymnasium,
            "< 0.5 s",
        ),
        Row("appo --help", shown, "s", f"python -c pass {bare:.3f} s", shown / bare, "< 1 s"),
    ]


def _import_seconds(module: str) -> float:
    """Median time of the import statement alone."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return statistics.median(float(_run(code)) for _ in range(REPEATS))


def _process_seconds(code: str) -> float:
    """Median time from starting a process to its end."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        _run(code)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
