"""The metrics file: whole lines, repair, truncation for a resume, and the TensorBoard mirror."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
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


class _Heard:
    """A writer that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        self.told.append((step, dict(figures)))

    def rewind(self, step: int) -> None:
        self.told.append(f"back to {step}")

    def close(self) -> None:
        self.told.append("closed")


def test_writers_hear_numbers_in_the_order_of_the_file(tmp_path: Path) -> None:
    heard = _Heard()
    with MetricsLog(tmp_path / "metrics.jsonl", [heard]) as log:
        log.append(1, {"reward": 1.0, "phase": "train"})
        log.truncate_after(0)
        log.append(1, {"reward": 2.0})
    assert heard.told == [(1, {"reward": 1.0}), "back to 0", (1, {"reward": 2.0}), "closed"]
