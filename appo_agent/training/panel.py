"""What a step of training looks like to a person: a few of its figures, and a panel of them on a terminal.

Owns which figures are shown, their wording, and the panel's layout. When something is shown, and that there are plain
lines where no terminal is, belongs to `progress`; what the figures mean belongs to `step_metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from appo_agent.training.metrics import Figure
from appo_envs.rendering.inert import inert

NOTE_CHARS = 400
"""Of a text that the policy or a tool wrote; more would only be cut by the window."""


class Shown(NamedTuple):
    """A figure as it is shown."""

    label: str
    value: str


def shown_figures(figures: Mapping[str, Figure]) -> tuple[Shown, ...]:
    """The figures of a step that a person watches, in their order; those that the step does not have are left out.

    Args:
        figures: of one step by name, see `step_metrics`.
    """
    found = []
    for label, name, form in _WATCHED:
        value = figures.get(name)
        if isinstance(value, int | float):
            found.append(Shown(label, form(value) if math.isfinite(value) else "not finite"))
    errors = figures.get("errors/rollouts", 0)
    if isinstance(errors, int | float) and errors > 0:
        found.append(Shown("broken", f"{errors:,.0f} rollouts"))
    return tuple(found)


def as_line(figures: Sequence[Shown]) -> str:
    """The figures one behind the other."""
    return "  ".join(f"{label} {value}" for label, value in figures)


def panel(bar: RenderableType, headline: str, figures: Sequence[Shown], note: str) -> RenderableType:
    """A progress bar above, figures in columns below it, and at the end a text from the episode.

    Every line is cut at the window's edge, so that the panel has the same height in any window.

    Args:
        bar: the progress bar.
        headline: beside the figures that change with every step, such as the step's number.
        figures: to be shown; none for a phase without.
        note: what the policy said last; control characters in it are shown and not obeyed.
    """
    lines: list[RenderableType] = [bar, _line(headline)]
    if figures:
        table = Table.grid(padding=(0, 2, 0, 0), expand=False)
        for _ in figures:
            table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_row(*(Text(label, style="dim") for label, _ in figures))
        table.add_row(*(Text(value, style="bold") for _, value in figures))
        lines.append(table)
    if note:
        lines.append(_line(inert(note[-NOTE_CHARS:]).replace("\n", " "), style="dim"))
    return Group(*lines)


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


_WATCHED = (
    ("reward", "train/reward", lambda value: f"{value:+.2f}"),
    ("success", "train/success", lambda value: f"{value:.2f}"),
    ("branches", "branching/branches", lambda value: f"{value:,.0f}"),
    ("cold", "branching/cold_fraction", lambda value: f"{value:.0%}"),
    ("tool", "seconds/tool_call", _duration),
    ("mismatch", "mismatch/mean", lambda value: f"{value:.1g}"),
)
"""Label, name of the figure, and its form."""
