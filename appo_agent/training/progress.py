"""What a person sees while a run works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_SECONDS = 10.0
"""Seconds between two plain lines of a phase."""


class PhaseProgress:
    """Progress of one phase of a run."""

    def __init__(self, name: str, total: float, bars: Progress | None, console: Console) -> None:
        self._name, self._total, self._bars, self._console = name, total, bars, console
        self._task: TaskID | None = bars.add_task(name, total=total, text="") if bars else None
        self._started = self._last_line = time.monotonic()

    def show(self, done: float, text: str) -> None:
        """Say how far the phase is and what it found."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, text=text)
        elif time.monotonic() - self._last_line >= LINE_SECONDS or done >= self._total:
            self._last_line = time.monotonic()
            elapsed = self._last_line - self._started
            left = elapsed * (self._total - done) / done if done > 0 else float("nan")
            share = min(1.0, done / self._total) if self._total else 1.0
            self._console.print(f"{self._name}: {share:4.0%}  {text}  {elapsed:.0f} s, {max(left, 0):.0f} s left")


class RunProgress:
    """Progress of a run: one bar a phase.

    Args:
        quiet: show nothing (machine-readable output).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        # Progress goes to stderr, so that results on stdout can be piped.
        self._console = Console(stderr=True, quiet=quiet, soft_wrap=True, highlight=False, markup=False)
        self._use_bars = sys.stderr.isatty() and not quiet

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text)

    @contextmanager
    def phase(self, name: str, total: float) -> Iterator[PhaseProgress]:
        """Show one phase for as long as the block runs."""
        if not self._use_bars:
            yield PhaseProgress(name, total, None, self._console)
            return
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        with Progress(*columns, console=self._console) as bars:
            yield PhaseProgress(name, total, bars, self._console)
