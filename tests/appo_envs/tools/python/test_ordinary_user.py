"""The same tests once more, as a user without any privilege."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

_HERE = pathlib.Path(__file__).parent
_FILES = (
    "test_containment",
    "test_exhaustion",
    "test_control_channel",
    "test_fork_state",
    "test_degraded",
    "test_inspection",
    "test_lifetime",
)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user; these tests ran as one")
@pytest.mark.parametrize("file", _FILES)
def test_everything_holds_for_an_ordinary_user(file):
    done = subprocess.run(
        [sys.executable, "-m", "tests.appo_envs.tools.python.ordinary_user", str(_HERE / f"{file}.py")],
        cwd=_HERE.parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "skipped" not in done.stdout, done.stdout[-3000:]
