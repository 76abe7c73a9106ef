"""The metrics file: whole lines, repair, truncation for a resume, and the TensorBoard mirror."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import pytest

from appo_agent.errors import RunError
from appo_agent.training.metrics import MetricsLog, MetricsRow, read_metrics


def _filled(path: Path, steps: int) -> MetricsLog:
    log = MetricsLog(path)
    for step in range(1, steps + 1):
        log.append(step, {"train/reward": step / 3})
    return log


def test_rows_read_back_exactly_in_order(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(1, {"train/reward": 0.1 + 0.2, "tokens": 2**60, "phase": "größer"})
    log.append(2, {})
    assert log.read() == [
        MetricsRow(1, {"train/reward": 0.1 + 0.2, "tokens": 2**60, "phase": "größer"}),
        MetricsRow(2, {}),
    ]


def test_every_line_is_strict_json_at_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.append(1, {"a": 0.5, "b": math.inf, "c": math.nan})
    assert json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name)) == {
        "step": 1,
        "a": 0.5,
        "b": None,
        "c": None,
    }
    figures = log.read()[0].figures
    assert math.isnan(float(figures["b"])) and math.isnan(float(figures["c"]))


def test_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert MetricsLog(tmp_path / "metrics.jsonl").read() == []


def test_truncated_log_continues_as_if_the_later_steps_had_never_been(tmp_path: Path) -> None:
    straight, resumed = tmp_path / "straight.jsonl", tmp_path / "resumed.jsonl"
    _filled(straight, 4)
    log = _filled(resumed, 5)
    log.truncate_after(2)
    assert [row.step for row in log.read()] == [1, 2]
    log.append(3, {"train/reward": 3 / 3})
    log.append(4, {"train/reward": 4 / 3})
    assert resumed.read_bytes() == straight.read_bytes()
    log.truncate_after(0)
    assert resumed.read_bytes() == b""


@pytest.mark.parametrize("torn", ['{"step": 3, "train/rew', "\x00\x00", "ü"])
def test_torn_last_line_is_dropped_and_said(tmp_path: Path, torn: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.jsonl"
    _filled(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode()[:-1] if torn == "ü" else whole + torn.encode())
    with caplog.at_level(logging.WARNING):
        log = MetricsLog(path)
    assert "the last line was cut off" in caplog.text
    assert path.read_bytes() == whole
    log.append(3, {})
    assert [row.step for row in read_metrics(path)] == [1, 2, 3]


def test_reading_does_not_change_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"st')
    assert [row.step for row in read_metrics(path)] == [1]
    assert path.read_text().endswith('{"st')


@pytest.mark.parametrize("line", ["{broken", "[1]", '{"loss": 1}'])
def test_damaged_line_in_the_middle_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(RunError, match=r"metrics.jsonl, line 2: expected a JSON object with a step"):
        MetricsLog(path)


def test_step_is_not_a_figure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name of the step number"):
        MetricsLog(tmp_path / "metrics.jsonl").append(1, {"step": 2})


def test_tensorboard_mirrors_numbers_and_forgets_truncated_steps(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "tensorboard") as log:
        for step in (1, 2, 3):
            log.append(step, {"reward": float(step), "phase": "train"})
        log.truncate_after(1)
        log.append(2, {"reward": 20.0})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["reward"]
    assert [(event.step, event.value) for event in events.Scalars("reward")] == [(1, 1.0), (2, 20.0)]
