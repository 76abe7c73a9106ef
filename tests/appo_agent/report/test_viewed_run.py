"""Run directories that are whole, damaged, in progress or no runs at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from appo_agent.errors import RunError
from appo_agent.report.viewed_run import fingerprint, read_run
from appo_agent.training.run_dir import RunDir
from tests.appo_agent.report.runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_whole_run_has_no_notes(run: Path) -> None:
    found = read_run(run)
    assert found.notes == []
    assert found.setting("algorithm") == "appo"
    assert (len(found.rows), found.rows[-1].step) == (40, 40)
    assert [(result.name, result.tokens, result.low, result.high) for result in found.held_out] == [
        ("before", 0, 0.55, 0.67),
        ("after", 40_000, 0.89, 0.95),
    ]
    assert [(record.kind, record.key, record.step) for record in found.records] == [
        ("evaluation", "evaluation_after", -1),
        ("step", "step_000001", 1),
        ("step", "step_000010", 10),
    ]


def test_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run at"):
        read_run(tmp_path / "nothing")
    with pytest.raises(RunError, match="is not a run: it has no config.toml"):
        read_run(tmp_path)


def test_run_that_has_just_begun_is_empty_and_has_no_notes(tmp_path: Path) -> None:
    directory = RunDir.create(tmp_path / "run")
    directory.write_config('algorithm = "appo"\n')
    found = read_run(directory.path)
    assert (found.rows, found.held_out, found.records, found.notes) == ([], [], [], [])


def test_torn_last_line_of_the_metrics_is_passed_over(run: Path) -> None:
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 41, "train/su')
    found = read_run(run)
    assert (len(found.rows), found.notes) == (40, [])


def test_each_damaged_part_is_a_note_and_the_rest_is_there(run: Path) -> None:
    (run / "config.toml").write_bytes(b"algorithm = \xff\n")
    metrics = run / "metrics.jsonl"
    metrics.write_text("nonsense\n" + metrics.read_text())
    (run / "checkpoints/step_000040/state.json").write_text('{"generated_tokens": 1, "before": 3, "after": null}')
    found = read_run(run)
    assert len(found.notes) == 3
    settings, figures, evaluations = found.notes
    assert settings.startswith("the settings in config.toml cannot be read")
    assert "line 1: expected a JSON object" in figures
    assert evaluations.startswith("the held-out evaluations in step_000040/state.json cannot be read")
    assert len(found.records) == 3
    assert found.setting("algorithm") == "?"


def test_kept_evaluations_follow_those_of_training_and_a_damaged_one_is_a_note(run: Path) -> None:
    figures = {"success": 0.5, "interval": [0.25, 0.75], "episodes": 8, "reward": 0.1, "split": "test"}
    (run / "records" / "evaluation_b.json").write_text(json.dumps(figures))
    (run / "records" / "evaluation_c.json").write_text('{"success": 1}')
    before = fingerprint(run)
    found = read_run(run)
    assert [result.name for result in found.held_out] == ["before", "after", "eval b"]
    assert (found.held_out[-1].low, found.held_out[-1].high) == (0.25, 0.75)
    assert len(found.notes) == 1 and "evaluation_c.json" in found.notes[0]
    (run / "records" / "evaluation_c.json").unlink()
    assert fingerprint(run) != before


@pytest.mark.parametrize(
    "state", ["[]", "{}", '{"generated_tokens": "x", "before": null, "after": null}', "\x00", '{"generated_tokens": 1}']
)
def test_state_of_another_release_is_a_note(run: Path, state: str) -> None:
    (run / "checkpoints/step_000040/state.json").write_text(state)
    (note,) = read_run(run).notes
    assert "cannot be read" in note


def test_state_before_the_first_evaluation_has_nothing_to_show(run: Path) -> None:
    state = run / "checkpoints/step_000040/state.json"
    state.write_text('{"generated_tokens": 0, "before": null, "after": null}')
    found = read_run(run)
    assert (found.held_out, found.notes) == ([], [])


def test_fingerprint_changes_with_every_part_and_only_then(run: Path) -> None:
    seen = {fingerprint(run)}
    assert fingerprint(run) in seen
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 41}\n')
    seen.add(fingerprint(run))
    shutil.copy(run / "records/step_000010.msgpack", run / "records/step_000020.msgpack")
    seen.add(fingerprint(run))
    shutil.rmtree(run / "checkpoints")
    seen.add(fingerprint(run))
    assert len(seen) == 4
