"""The figures of a run, one JSON line a step.

Owns the file's form and its repair after a crash. Which figures there are belongs to `step_metrics` and `evaluation`;
where else they go, to `metric_writers`.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from appo_agent.disk import writing
from appo_agent.errors import RunError
from appo_agent.training.metric_writers import MetricWriter

Figure = float | int | str
"""What a metric may be."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MetricsRow:
    """The figures of one step.

    Attributes:
        step: the step's number.
        figures: by name, such as "train/reward". A number that was not finite is NaN.
    """

    step: int
    figures: Mapping[str, Figure]


class MetricsLog:
    """Appends to `metrics.jsonl` and gives the figures to writers. A torn last line is dropped when it is opened.

    Args:
        path: the file; made when missing.
        writers: get every step's figures too, and are closed with the log.

    Raises:
        RunError: a line other than the last is damaged, or the disk refused the repair.
    """

    def __init__(self, path: Path, writers: Sequence[MetricWriter] = ()) -> None:
        self._path, self._writers = path, tuple(writers)
        _repair(path)

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, step: int, figures: Mapping[str, Figure]) -> None:
        """Add one step's figures; they are in the file when this returns. Strings do not go to the writers.

        Raises:
            RunError: the disk refused.
            ValueError: a figure is named "step".
        """
        if "step" in figures:
            raise ValueError('"step" is the name of the step number, not of a figure')
        # JSON has no NaN and no infinities; null stands for all three.
        shown = {name: value if _is_finite(value) else None for name, value in figures.items()}
        with writing(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, **shown}, allow_nan=False, ensure_ascii=False) + "\n")
        numbers = {name: value for name, value in figures.items() if not isinstance(value, str)}
        for writer in self._writers:
            writer.write(step, numbers)

    def truncate_after(self, step: int) -> None:
        """Forget every row of a later step: a resumed run writes them again.

        Raises:
            RunError: the disk refused.
        """
        lines = _whole_lines(self._path)
        kept = [line for number, line in enumerate(lines, 1) if _row(line, self._path, number).step <= step]
        partial = self._path.with_name(f".{self._path.name}.partial")
        with writing(self._path):
            partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
            os.replace(partial, self._path)
        for writer in self._writers:
            writer.rewind(step)

    def read(self) -> list[MetricsRow]:
        """All rows so far, in the order of the file."""
        return read_metrics(self._path)

    def close(self) -> None:
        """Close the writers."""
        for writer in self._writers:
            writer.close()


def read_metrics(path: Path) -> list[MetricsRow]:
    """All whole rows of a metrics file, in its order; a torn last line is passed over and said on the log.

    Raises:
        RunError: a line other than the last is damaged; names the line.
    """
    return [_row(line, path, number) for number, line in enumerate(_whole_lines(path), 1)]


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    *lines, torn = path.read_text(encoding="utf-8", errors="replace").split("\n")
    if torn:
        _log.warning("%s: the last line was cut off after %d characters and is left out", path, len(torn))
    return lines


def _repair(path: Path) -> None:
    if not path.exists():
        return
    read_metrics(path)
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with writing(path):
            os.truncate(path, whole)


def _row(line: str, path: Path, number: int) -> MetricsRow:
    try:
        figures = json.loads(line)
    except ValueError:
        figures = None
    if not isinstance(figures, dict) or not isinstance(figures.get("step"), int):
        found = repr(line[:60])
        raise RunError(f"{path}, line {number}: expected a JSON object with a step, found {found}")
    step = figures.pop("step")
    return MetricsRow(step, {name: math.nan if value is None else value for name, value in figures.items()})


def _is_finite(value: Figure) -> bool:
    return isinstance(value, str) or math.isfinite(value)
