"""Pictures of a comparison: primary differences, learning curves over every budget, pass@k.

Owns the drawing. Colours are Paul Tol's, which remain apart for the colour-blind; arms also differ by line style.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from appo_agent.analysis.compare.findings import Findings
from appo_agent.analysis.compare.outcome import CurvePoint, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#222222")
STYLES = ("-", "--", "-.", ":")
BUDGETS = (
    ("tokens", "generated tokens"),
    ("rollouts", "rollouts"),
    ("updates", "updates"),
    ("tool_calls", "tool calls"),
    ("seconds", "seconds of training"),
)
_PLACES = 60


def draw(findings: Findings, folder: Path) -> list[Path]:
    """Write all pictures that the figures allow, as PNG; returns their paths."""
    pictures = [_save(_differences(findings), folder / "differences.png")]
    for environment in findings.environments:
        arms = {arm: findings.of(environment, arm) for arm in findings.arms}
        if any(outcome.curve for outcomes in arms.values() for outcome in outcomes):
            pictures.append(_save(_curves(environment, arms), folder / f"curves_{environment}.png"))
        if any(outcome.pass_at for outcomes in arms.values() for outcome in outcomes):
            pictures.append(_save(_passes(environment, arms), folder / f"pass_at_k_{environment}.png"))
    return pictures


def mean_curve(outcomes: Sequence[Outcome], budget: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean learning curve of several runs over a budget.

    Args:
        outcomes: runs; those without a curve are left out.
        budget: name of a field of `CurvePoint`.

    Returns:
        (places,) amounts of the budget, up to what every run has seen, and (places,) mean success there, between
        validations by straight lines.
    """
    curves = [outcome.curve for outcome in outcomes if outcome.curve]
    if not curves:
        return np.empty(0), np.empty(0)
    first = max(_amounts(curve, budget)[0] for curve in curves)
    last = min(_amounts(curve, budget)[-1] for curve in curves)
    places = np.linspace(first, max(first, last), _PLACES)
    values = [np.interp(places, _amounts(curve, budget), [point.success for point in curve]) for curve in curves]
    return places, np.mean(values, axis=0)


def _amounts(curve: Sequence[CurvePoint], budget: str) -> list[float]:
    return [float(getattr(point, budget)) for point in curve]


def _differences(findings: Findings) -> Figure:
    shown = list(reversed(findings.differences))
    figure = _figure(7.2, 1.2 + 0.32 * len(shown))
    axes = figure.subplots()
    for place, each in enumerate(shown):
        low, high = each.interval
        color = COLORS[0] if each.primary else "#888888"
        axes.plot([100 * low, 100 * high], [place, place], color=color, linewidth=2 if each.primary else 1)
        axes.plot(100 * each.mean, place, "o" if each.primary else "s", color=color, markersize=5)
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.axvline(100 * findings.target_difference, color="#222222", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(shown)), [f"{each.environment}: {each.first} - {each.second}" for each in shown])
    axes.set(
        xlabel="difference in success, points; dotted: the target",
        title=f"{findings.name}: round and blue are primary, grey exploratory",
    )
    _tidy(axes)
    return figure


def _curves(environment: str, arms: dict[str, list[Outcome]]) -> Figure:
    figure = _figure(11, 7)
    for (budget, label), axes in zip(BUDGETS, np.ravel(figure.subplots(2, 3, sharey=True)), strict=False):
        for number, (arm, outcomes) in enumerate(arms.items()):
            amounts, success = mean_curve(outcomes, budget)
            _line(axes, amounts, success, arm, number)
        axes.set(xlabel=label, ylabel="validation success")
        _tidy(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.axes[-1].axis("off")
    figure.axes[-1].legend(handles, labels, frameon=False, loc="center")
    figure.suptitle(environment)
    return figure


def _passes(environment: str, arms: dict[str, list[Outcome]]) -> Figure:
    figure = _figure(6, 4.2)
    axes = figure.subplots()
    for number, (arm, outcomes) in enumerate(arms.items()):
        measured = [outcome.pass_at for outcome in outcomes if outcome.pass_at]
        if measured:
            axes.set_xticks(range(1, len(measured[0]) + 1))
            _line(axes, np.arange(1, len(measured[0]) + 1), np.mean(measured, axis=0), arm, number)
    axes.set(xlabel="k", ylabel="pass@k", title=environment)
    axes.legend(frameon=False)
    _tidy(axes)
    return figure


def _line(axes: Axes, x: ArrayLike, y: ArrayLike, arm: str, number: int) -> None:
    color = COLORS[number % len(COLORS)]
    axes.plot(x, y, label=arm, color=color, linestyle=STYLES[(number + number // len(COLORS)) % len(STYLES)])


def _tidy(axes: Axes) -> None:
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(width: float, height: float) -> Figure:
    # The object interface, not pyplot: no global state, no window, and a file whatever the display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path
