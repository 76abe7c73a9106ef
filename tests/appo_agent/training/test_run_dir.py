"""Creating, opening and locking a run's directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appo_agent.errors import RunError
from appo_agent.training.run_dir import RunDir


def test_created_run_is_opened_once_it_has_its_config(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "a" / "b")
    with pytest.raises(RunError, match="is not a run: it has no config.toml"):
        RunDir.open(run.path)
    run.write_config("seed = 1\n")
    assert RunDir.open(run.path) == run
    assert run.config.read_text() == "seed = 1\n"


def test_files_lie_where_the_documentation_says(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.record(7) == tmp_path / "records" / "step_000007.msgpack"
    assert run.checkpoint(12) == tmp_path / "checkpoints" / "step_000012"
    assert run.metrics == tmp_path / "metrics.jsonl"
    assert run.policy == tmp_path / "policy"


def test_empty_directory_is_accepted_and_a_filled_one_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = RunDir.create(tmp_path / "empty")
    with pytest.raises(RunError, match="is not empty; choose another directory or resume"):
        RunDir.create(run.path)


def test_path_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="cannot create a run in .*") as caught:
            RunDir.create(path)
        assert "\n" not in str(caught.value)


def test_missing_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"no run at {tmp_path / 'none'}"):
        RunDir.open(tmp_path / "none")


def test_config_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write .*config.toml"):
        RunDir(tmp_path / "gone").write_config("")


def test_lock_held_by_another_process_is_refused_by_name_and_freed_by_its_death(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run")
    code = (
        "import sys, pathlib; from appo_agent.training.run_dir import RunDir\n"
        "with RunDir(pathlib.Path(sys.argv[1])).lock():\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=f"is in use by process {holder.pid} on "), run.lock():
            pass
        holder.kill()
    with run.lock():
        assert f"process {os.getpid()} " in (run.path / "run.lock").read_text()


def test_lock_is_free_again_after_the_block_even_when_it_fails(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run")
    with pytest.raises(KeyError), run.lock():
        raise KeyError
    with run.lock(), pytest.raises(RunError, match="in use by process"), run.lock():
        pass


def test_phases_are_logged_one_line_each(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path / "run")
    run.log_phase("cold start")
    run.log_phase("training")
    lines = run.phases.read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["cold start", "training"]
    assert lines[0][:2] == "20"
