"""The learning curve: it is written, it shows what it was given, and it is the same picture every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from appo_agent.analysis.statistics import Interval
from appo_agent.report.curve import (
    HELD_OUT_COLOR,
    VALIDATION_COLOR,
    HeldOutPoint,
    plot_learning_curve,
    running_mean,
)
from appo_agent.training.metrics import Figure, MetricsRow

BEFORE = HeldOutPoint("before", 0, 0.28, Interval(0.24, 0.32))
AFTER = HeldOutPoint("after", 400_000, 0.93, Interval(0.91, 0.95))


def _rows(validate: bool = False) -> list[MetricsRow]:
    rng = np.random.default_rng(0)
    rows = []
    for step in range(1, 101):
        success = 0.3 + 0.6 * step / 100 + 0.05 * rng.standard_normal()
        figures: dict[str, Figure] = {
            "tokens/total": 4_000 * step,
            "train/success": success,
            "train/reward": 2 * success - 1,
        }
        if validate and step % 10 == 0:
            figures |= {"validation/success": 0.9, "validation/reward": 0.8}
        rows.append(MetricsRow(step, figures))
    return rows


def _pixels_of(path: Path, color: str) -> int:
    image = np.round(imread(path)[..., :3] * 255).astype(int)
    wanted = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    return int(np.all(image == wanted, axis=-1).sum())


def test_picture_shows_held_out_points_and_validation_only_when_given(tmp_path: Path) -> None:
    plain, full = tmp_path / "plain.png", tmp_path / "full.png"
    plot_learning_curve(_rows(), plain)
    plot_learning_curve(_rows(validate=True), full, [BEFORE, AFTER], title="appo, seed 0")
    assert full.read_bytes().startswith(b"\x89PNG")
    for color in (HELD_OUT_COLOR, VALIDATION_COLOR):
        assert _pixels_of(full, color) > _pixels_of(plain, color) + 50


def test_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        plot_learning_curve(_rows(), tmp_path / name, [AFTER])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_run_without_training_steps_shows_its_evaluations(tmp_path: Path) -> None:
    plot_learning_curve([], tmp_path / "curve.png", [BEFORE])
    assert (tmp_path / "curve.png").exists()


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one step"):
        plot_learning_curve([], tmp_path / "curve.png")


def test_running_mean_of_worked_values() -> None:
    assert running_mean([1.0, 3.0, 5.0, 0.0], 2) == [1.0, 2.0, 4.0, 2.5]
    assert running_mean([1.0, 2.0], 5) == [1.0, 1.5]
    assert running_mean([], 1) == []
    with pytest.raises(ValueError, match="window"):
        running_mean([1.0], 0)
