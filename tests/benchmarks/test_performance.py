"""`python benchmarks/performance`: which modules take part and what is printed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "performance"


FORKING = """
from row import Row

def rows():
    yield Row("fork", 12.345678, "us", "peer 24 us", 0.5, "< 1 ms")
    yield Row("memory", 3.0, "MB", "", float("nan"), "")

def peer_rows():
    yield Row("fork", 12.0, "us", "another package 24 us", 0.5, "")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The program with modules of known figures in place of the real ones."""
    for name in ("__main__.py", "row.py"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "forking.py").write_text(FORKING)
    (tmp_path / "constants.py").write_text("SIZE = 3\n")
    (tmp_path / "engine.py").write_text("import no_such_engine\n")
    return tmp_path


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(folder), *words], capture_output=True, text=True, check=False)


def test_table_holds_every_module_with_rows_and_says_what_is_left_out(folder: Path) -> None:
    finished = _run(folder)
    assert finished.returncode == 0
    assert finished.stdout.splitlines() == [
        "name    value  unit  peer        ratio  target",
        "fork    12.35  us    peer 24 us  0.5    < 1 ms",
        "memory  3      MB                nan",
    ]
    assert finished.stderr == "engine left out: no_such_engine is not installed\n"


def test_json_has_the_same_rows(folder: Path) -> None:
    assert json.loads(_run(folder, "--json", "--only", "forking").stdout) == [
        {
            "name": "fork",
            "value": 12.345678,
            "unit": "us",
            "peer": "peer 24 us",
            "ratio": 0.5,
            "target": "< 1 ms",
        },
        {"name": "memory", "value": 3.0, "unit": "MB", "peer": "", "ratio": None, "target": ""},
    ]


def test_other_packages_are_measured_when_asked_for(folder: Path) -> None:
    names = [row["peer"] for row in json.loads(_run(folder, "--json", "--peers").stdout)]
    assert names == ["peer 24 us", "", "another package 24 us"]


def test_unknown_module_suggests_the_nearest(folder: Path) -> None:
    finished = _run(folder, "--only", "forkin")
    assert finished.returncode == 2
    assert finished.stderr == "no module 'forkin'; did you mean 'forking'?\n"


def test_startup_is_measured_from_the_clone(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, str(FOLDER), "--only", "startup", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert finished.returncode == 0, finished.stderr
    measured = json.loads(finished.stdout)
    assert [row["name"] for row in measured] == ["import appo_envs", "appo --help"]
    assert all(row["value"] > 0 and row["ratio"] > 0 for row in measured)
