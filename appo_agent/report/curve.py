"""The learning curve of one run as a picture.

Owns the drawing. Which figures a step has is said by `step_metrics`; intervals come from `analysis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appo_agent.analysis.statistics import Interval
from appo_agent.training.metrics import MetricsRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAIN_COLOR, VALIDATION_COLOR, HELD_OUT_COLOR = "#4477aa", "#ee8833", "#222222"
SMOOTHING_SHARE = 0.05
"""Window of the running mean, as a share of the run's steps."""


@dataclass(frozen=True)
class HeldOutPoint:
    """A held-out evaluation.

    Attributes:
        name: such as "before" or "after".
        tokens: generated tokens of training at which it was taken.
        success: share of successes, in [0, 1].
        interval: of `success`.
    """

    name: str
    tokens: float
    success: float
    interval: Interval


def plot_learning_curve(
    rows: Sequence[MetricsRow], path: Path, held_out: Sequence[HeldOutPoint] = (), title: str = ""
) -> None:
    """Draw success and reward against generated tokens, and write a PNG.

    Args:
        rows: one a step; uses "tokens/total", "train/success", "train/reward" and, where present,
            "validation/success" and "validation/reward".
        path: of the PNG.
        held_out: evaluations to mark with their intervals.
        title: above the picture.

    Raises:
        ValueError: nothing to draw.
    """
    if not rows and not held_out:
        raise ValueError("a learning curve needs at least one step or one held-out evaluation")
    # The object interface, not pyplot: no global state, no window, and a file whatever the display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 5.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _draw_series(above, rows, "success")
    _draw_series(below, rows, "reward")
    for point in held_out:
        _draw_held_out(above, point)
    above.set(ylabel="success", ylim=(-0.03, 1.03), title=title)
    below.set(ylabel="reward", xlabel="generated tokens")
    below.xaxis.set_major_formatter(_tokens_label)
    for axes in (above, below):
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    above.legend(frameon=False, loc="best")
    figure.savefig(path, metadata={"Software": None})


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """The mean of the last `window` values at each place, of fewer at the start.

    Raises:
        ValueError: `window` is below 1.
    """
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    parts = [values[max(0, end - window) : end] for end in range(1, len(values) + 1)]
    return [sum(part) / len(part) for part in parts]


def _draw_series(axes: Axes, rows: Sequence[MetricsRow], figure: str) -> None:
    tokens, values = _series(rows, f"train/{figure}")
    if tokens:
        axes.plot(tokens, values, color=TRAIN_COLOR, alpha=0.3, linewidth=1)
        window = max(1, round(SMOOTHING_SHARE * len(values)))
        mean = running_mean(values, window)
        label = "training" if window == 1 else f"training, mean of {window} steps"
        axes.plot(tokens, mean, color=TRAIN_COLOR, linewidth=2, label=label)
    tokens, values = _series(rows, f"validation/{figure}")
    if tokens:
        axes.plot(tokens, values, color=VALIDATION_COLOR, marker="o", markersize=4, label="validation")


def _series(rows: Sequence[MetricsRow], name: str) -> tuple[list[float], list[float]]:
    present = [row.figures for row in rows if name in row.figures]
    return [float(figures["tokens/total"]) for figures in present], [float(figures[name]) for figures in present]


def _draw_held_out(axes: Axes, point: HeldOutPoint) -> None:
    low, high = point.interval
    axes.errorbar(
        [point.tokens],
        [point.success],
        yerr=[[point.success - low], [high - point.success]],
        color=HELD_OUT_COLOR,
        fmt="D",
        markersize=6,
        capsize=5,
        zorder=3,
        label=f"held out, {point.name}: {point.success:.3f} [{low:.3f}, {high:.3f}]",
    )


def _tokens_label(tokens: float, _position: int) -> str:
    return f"{tokens / 1000:,g}k" if tokens else "0"
