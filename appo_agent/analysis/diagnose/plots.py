"""Pictures of a diagnosis: rules, tokens along the rollout, clouds of chosen tokens, Omega, the map of branches.

Owns the drawing. Colours are Paul Tol's, which remain apart for the colour-blind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from appo_agent.analysis.diagnose.clouds import cloud
from appo_agent.analysis.diagnose.diagnosis import Diagnosis
from appo_agent.analysis.diagnose.places import PLACES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, RED, GREEN, YELLOW, PURPLE = "#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377"
_MARKS = dict(zip(PLACES, ((BLUE, "o"), (RED, "s"), (GREEN, "^"), (YELLOW, "D"), (PURPLE, "*")), strict=True))


def draw(diagnosis: Diagnosis, folder: Path) -> list[Path]:
    """Write the pictures as PNG; returns their paths."""
    pictures = [_save(_rules(diagnosis), folder / "rules.png")]
    if any(diagnosis.words):
        pictures.append(_save(_clouds(diagnosis), folder / "chosen_tokens.png"))
    if diagnosis.tokens:
        pictures.append(_save(_along(diagnosis), folder / "along_rollouts.png"))
    if diagnosis.omega:
        pictures.append(_save(_omega(diagnosis), folder / "omega.png"))
    if diagnosis.branches:
        pictures.append(_save(_branches(diagnosis), folder / "branches.png"))
    return pictures


def _rules(diagnosis: Diagnosis) -> Figure:
    figure = _figure(9, 0.9 + 0.33 * len(diagnosis.rule_figures))
    left, right = figure.subplots(1, 2, sharey=True)
    shown = list(reversed(diagnosis.rule_figures))
    for place, each in enumerate(shown):
        for axes, value, (low, high) in (
            (left, each.correlation, each.correlation_interval),
            (right, each.captured, each.captured_interval),
        ):
            axes.plot([low, high], [place, place], color=BLUE)
            axes.plot(value, place, "o", color=BLUE, markersize=5)
    left.set_yticks(range(len(shown)), [each.rule for each in shown])
    left.set(xlabel="rank correlation with criticality")
    right.set(xlabel=f"share of criticality at the best {diagnosis.config.branches}")
    for axes in (left, right):
        axes.axvline(0, color="#222222", linewidth=0.8)
        _tidy(axes)
    return figure


def _clouds(diagnosis: Diagnosis) -> Figure:
    shown = [(rule, words) for rule, words in zip(diagnosis.rules, diagnosis.words, strict=True) if words]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    figure = _figure(3.4 * columns, 2 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.set_axis_off()
    for axes, (rule, words) in zip(panels, shown, strict=False):
        axes.imshow(cloud(dict(words)), interpolation="bilinear")
        axes.set_title(rule, fontsize="small")
    return figure


def _along(diagnosis: Diagnosis) -> Figure:
    figure = _figure(9, 6)
    above, below = figure.subplots(2, 1, sharex=True)
    for place, (color, mark) in _MARKS.items():
        tokens = [token for token in diagnosis.tokens if token.place == place]
        positions = [token.position for token in tokens]
        criticality = [token.value.criticality for token in tokens]
        above.plot(positions, criticality, mark, color=color, markersize=4, linestyle="none", label=place, alpha=0.7)
        below.plot(positions, [token.entropy for token in tokens], mark, color=color, markersize=4, alpha=0.7)
    above.set(ylabel="criticality", title=f"{diagnosis.algorithm} on {diagnosis.env}")
    above.legend(frameon=False, ncols=len(PLACES))
    below.set(ylabel="entropy, nats", xlabel="position in the rollout")
    for axes in (above, below):
        _tidy(axes)
    return figure


def _omega(diagnosis: Diagnosis) -> Figure:
    figure = _figure(7.2, 4)
    axes = figure.subplots()
    steps = [each.step for each in diagnosis.omega]
    most = max(len(each.spreads) for each in diagnosis.omega)
    for number in range(most):
        values = [each.spreads[number] if number < len(each.spreads) else np.nan for each in diagnosis.omega]
        shade = str(0.75 * (1 - number / max(1, most - 1)))
        axes.plot(steps, np.maximum(values, 1e-9), color=shade, label=f"mini-batch {number}")
    if diagnosis.noise_floor:
        axes.axhline(diagnosis.noise_floor, color=RED, linestyle=":", label="noise floor")
    axes.set(xlabel="step", ylabel="standard deviation of log Omega", yscale="log")
    axes.legend(frameon=False)
    _tidy(axes)
    return figure


def _branches(diagnosis: Diagnosis) -> Figure:
    figure = _figure(6, 5)
    axes = figure.subplots()
    for won, color, mark in ((True, BLUE, "o"), (False, RED, "x")):
        inside = [each for each in diagnosis.branches if (each.reward > 0) == won]
        label = "reward above 0" if won else "reward 0 or less"
        x, y = [each.x for each in inside], [each.y for each in inside]
        axes.plot(x, y, mark, color=color, markersize=4, alpha=0.5, linestyle="none", label=label)
    clusters = len({each.cluster for each in diagnosis.branches} - {-1})
    axes.set(xlabel="first component", ylabel="second component", title=f"branches, {clusters} clusters")
    axes.legend(frameon=False)
    _tidy(axes)
    return figure


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
