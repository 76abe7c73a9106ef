"""What a person sees while a run works: a live panel on a terminal, plain lines elsewhere.

Owns when something is shown, how often, and where; how a step looks belongs to `panel`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from appo_agent.training.panel import Shown, as_line, panel

LINE_SECONDS = 10.0
"""Seconds between two plain lines of a phase."""
REFRESHES = 4.0
"""Of the panel, a second."""


class PhaseProgress:
    """Progress of one phase of a run, which nobody sees.

    Args:
        name: of the phase.
        total: how much there is to do, in any unit; 0 where it is unknown.
    """

    def __init__(self, name: str, total: float) -> None:
        self._name, self._total = name, total

    def show(self, done: float, text: str, figures: Sequence[Shown] = (), note: str = "") -> None:
        """Say how far the phase is and what it found.

        Args:
            done: of the phase's total.
            text: what changes with every step.
            figures: of the step.
            note: what the policy said last, any text; a terminal alone shows it.
        """


class PhaseLines(PhaseProgress):
    """Progress as plain lines, one in `LINE_SECONDS` and one at the end."""

    def __init__(self, name: str, total: float, console: Console) -> None:
        super().__init__(name, total)
        self._console = console
        self._started = self._last_line = time.monotonic()

    def show(self, done: float, text: str, figures: Sequence[Shown] = (), note: str = "") -> None:
        """Print a line, unless the last one is fresh."""
        if time.monotonic() - self._last_line < LINE_SECONDS and done < self._total:
            return
        self._last_line = time.monotonic()
        elapsed = self._last_line - self._started
        left = elapsed * (self._total - done) / done if done > 0 else float("nan")
        share = min(1.0, done / self._total) if self._total else 1.0
        found = "  ".join(part for part in (text, as_line(figures)) if part)
        line = f"{self._name}: {share:4.0%}  {found}  {elapsed:.0f} s, {max(left, 0):.0f} s left"
        # Never wrapped: programs read these lines.
        self._console.print(line, soft_wrap=True)


class PhasePanel(PhaseProgress):
    """Progress as a panel that is drawn anew in its place."""

    def __init__(self, name: str, total: float, console: Console) -> None:
        super().__init__(name, total)
        # Drawn as a part of the panel, never by itself.
        self._bar = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task(name, total=total)
        self._text, self._figures, self._note = "", tuple[Shown, ...](), ""

    def show(self, done: float, text: str, figures: Sequence[Shown] = (), note: str = "") -> None:
        """Take note; the next refresh draws it."""
        self._bar.update(self._task, completed=done)
        self._text, self._figures, self._note = text, tuple(figures), note

    def __rich__(self) -> RenderableType:
        """The panel as it is now."""
        return panel(self._bar.get_renderable(), self._text, self._figures, self._note)


class RunProgress:
    """Progress of a run.

    Args:
        quiet: show nothing (machine-readable output).
        console: where to show it; None for stderr, so that results on stdout can be piped.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._quiet = quiet
        # A dumb terminal cannot go back to a line that it has shown.
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal

    def say(self, text: str) -> None:
        """One line."""
        if not self._quiet:
            self._console.print(text, soft_wrap=True)

    @contextmanager
    def phase(self, name: str, total: float) -> Iterator[PhaseProgress]:
        """Show one phase for as long as the block runs; what it found last stays on the screen."""
        if self._quiet:
            yield PhaseProgress(name, total)
        elif not self._live:
            yield PhaseLines(name, total, self._console)
        else:
            shown = PhasePanel(name, total, self._console)
            with Live(shown, console=self._console, refresh_per_second=REFRESHES, redirect_stdout=False):
                yield shown
