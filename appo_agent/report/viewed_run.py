"""A run directory as the viewer finds it: finished, in progress, damaged in places, or of another release.

Owns reading it with patience. What cannot be read becomes a note that the page shows, and the rest is shown all the
same. What the files mean belongs to `training.run_dir`, `training.metrics` and `training.record_file`.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from appo_agent.errors import RunError
from appo_agent.report.pieces import TINY
from appo_agent.training.metrics import MetricsRow, read_metrics
from appo_agent.training.run_dir import RunDir

_RECORD_NAME = re.compile(r"(?P<kind>step|evaluation)_(?P<label>.+)")


@dataclass(frozen=True)
class RecordFile:
    """A file of recorded trees.

    Attributes:
        path: of the file.
        kind: "step" for what training drew, "evaluation" for scored episodes, one tree an item.
        step: of training; -1 where the name holds no number.
    """

    path: Path
    kind: str
    step: int

    @property
    def key(self) -> str:
        """Names the file within its run."""
        return self.path.stem


@dataclass(frozen=True)
class HeldOut:
    """A held-out evaluation; the figures are those of `EvaluationResult`.

    Attributes:
        name: "before" or "after" training; of one that `appo eval` kept, "eval " and its name.
        tokens: generated tokens of training at which it was taken.
        figures: by name, such as "success".
        low: lower end of the 95% interval of "success".
        high: its upper end.
    """

    name: str
    tokens: int
    figures: Mapping[str, float]
    low: float
    high: float


class Settings(NamedTuple):
    """The run's settings, as written and as read."""

    text: str
    values: Mapping[str, object]


@dataclass(frozen=True, eq=False)
class ViewedRun:
    """What could be read of a run.

    Attributes:
        path: the directory.
        settings: empty where damaged.
        rows: figures by step.
        held_out: evaluations before and after training, as far as they have been made.
        records: files of trees, in order of their steps; their content is not read yet.
        notes: what could not be read, and why.
    """

    path: Path
    settings: Settings
    rows: Sequence[MetricsRow]
    held_out: Sequence[HeldOut]
    records: Sequence[RecordFile]
    notes: Sequence[str]

    def setting(self, name: str) -> str:
        """A setting of the top level as text, "?" where it is missing."""
        return str(self.settings.values.get(name, "?"))

    @property
    def policy(self) -> Path:
        """The policy's folder; made when the run ends."""
        return RunDir(self.path).policy


def read_run(path: Path) -> ViewedRun:
    """Read a run directory, all but the trees.

    Raises:
        RunError: no such directory, or nothing in it says that it is a run.
    """
    directory = RunDir.open(path)
    notes: list[str] = []
    settings = _settings(directory, notes)
    try:
        rows = read_metrics(directory.metrics)
    except (RunError, OSError) as error:
        notes.append(f"the figures are left out: {error}")
        rows = []
    held_out = [*_held_out(directory, notes), *_kept_evaluations(directory, rows, notes)]
    return ViewedRun(path, settings, rows, held_out, _record_files(directory), notes)


def fingerprint(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes when there may be something new to see in a run directory."""
    directory = RunDir(path)
    states = sorted(directory.checkpoints.glob("step_*/state.json"))
    kept = sorted(directory.records.glob("evaluation_*.json"))
    files = [directory.config, directory.metrics, *states, *kept, *(file.path for file in _record_files(directory))]
    return tuple((str(file), *_size_and_time(file)) for file in files)


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0  # It may have gone between listing and looking: old checkpoints are pruned.
    return found.st_size, found.st_mtime_ns


def _settings(directory: RunDir, notes: list[str]) -> Settings:
    try:
        text = directory.config.read_text(encoding="utf-8", errors="replace")
        return Settings(text, tomllib.loads(text))
    except (OSError, tomllib.TOMLDecodeError) as error:
        notes.append(f"the settings in {directory.config.name} cannot be read: {error}")
        return Settings("", {"model": TINY})


def _record_files(directory: RunDir) -> list[RecordFile]:
    found = []
    for path in directory.records.glob("*.msgpack"):
        match = _RECORD_NAME.fullmatch(path.stem)
        if match is not None:
            numbers = re.findall(r"\d+", match["label"])
            found.append(RecordFile(path, match["kind"], int(numbers[-1]) if numbers else -1))
    return sorted(found, key=lambda record: (record.kind, record.step, record.key))


def _held_out(directory: RunDir, notes: list[str]) -> list[HeldOut]:
    # Read as plain JSON: checking a whole checkpoint, weights included, is for whoever resumes from it.
    states = sorted(directory.checkpoints.glob("step_*/state.json"))
    if not states:
        return []
    try:
        state = json.loads(states[-1].read_text(encoding="utf-8"))
        tokens = state["generated_tokens"]
        taken = {"before": 0, "after": int(tokens)}
        return [_one_held_out(name, at, state[name]) for name, at in taken.items() if state[name] is not None]
    except FileNotFoundError:
        return []  # Pruned between listing and reading; the next look finds its successor.
    except (OSError, ValueError, KeyError, TypeError) as error:
        notes.append(f"the held-out evaluations in {states[-1].parent.name}/state.json cannot be read: {error!r}")
        return []


def _kept_evaluations(directory: RunDir, rows: Sequence[MetricsRow], notes: list[str]) -> list[HeldOut]:
    """What `appo eval` found with the policy of the end."""
    drawn = rows[-1].figures.get("tokens/total", 0) if rows else 0
    tokens = int(drawn) if isinstance(drawn, int | float) and math.isfinite(drawn) else 0
    found = []
    for path in sorted(directory.records.glob("evaluation_*.json")):
        name = f"eval {path.stem.removeprefix('evaluation_')}"
        try:
            found.append(_one_held_out(name, tokens, json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError) as error:
            notes.append(f"the evaluation in {path.name} cannot be read: {error}")
    return found


def _one_held_out(name: str, tokens: int, result: object) -> HeldOut:
    if not isinstance(result, Mapping):
        raise ValueError(f"{name}: expected an evaluation's figures, found {result!r:.60}")
    figures = {key: float(value) for key, value in result.items() if isinstance(value, int | float)}
    interval = result.get("interval")
    if not isinstance(interval, list) or len(interval) != 2 or "success" not in figures:
        raise ValueError(f"{name}: expected a success with an interval of two numbers")
    return HeldOut(name, tokens, figures, float(interval[0]), float(interval[1]))
