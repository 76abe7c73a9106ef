"""The folder of a comparison: what lies where, and that it belongs to one specification and version.

    comparison.json        the specification and the version that began it
    cells/                 one folder a cell
    rates.json             what `explore` chose
    protocol.json          what `pilot` found and what `confirm` will do, written before it does
    results.json, cells.csv, report.md, *.png

Owns names, and the refusal of a folder that was begun differently.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.disk import writing
from appo_agent.errors import RunError

_MOST_SHOWN = 6


@dataclass(frozen=True)
class ResultsDir:
    """The folder of one comparison. Use `begin`; the constructor checks nothing."""

    path: Path

    @classmethod
    def begin(cls, path: Path, spec: CompareSpec) -> ResultsDir:
        """Open the folder, or make it.

        Raises:
            RunError: it belongs to another specification or version; names the differences. Nothing was changed.
        """
        folder = cls(path)
        # Through JSON, which knows lists and no tuples.
        now = json.loads(json.dumps({"version": version("appo-gym"), "spec": asdict(spec)}))
        if folder.comparison.is_file():
            refuse_differences(path, "specification or version", read_json(folder.comparison), now)
            return folder
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(f"{path} is not empty and holds no comparison; choose another folder with --results")
        except OSError as error:
            raise RunError(f"cannot keep results in {path}: {error.strerror}") from error
        write_json(folder.comparison, now)
        return folder

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other comparison out of the folder for as long as the block runs.

        Raises:
            RunError: another process holds it.
        """
        with (self.path / "comparison.lock").open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(f"{self.path} is in use by another `appo compare`; wait until it ends") from error
            yield

    @property
    def comparison(self) -> Path:
        """The specification and the version."""
        return self.path / "comparison.json"

    @property
    def rates(self) -> Path:
        """The learning rates that were chosen."""
        return self.path / "rates.json"

    @property
    def protocol(self) -> Path:
        """What the confirmatory stage will do."""
        return self.path / "protocol.json"

    @property
    def results(self) -> Path:
        """All figures."""
        return self.path / "results.json"

    @property
    def table(self) -> Path:
        """One line a cell, CSV."""
        return self.path / "cells.csv"

    @property
    def report(self) -> Path:
        """What was found, Markdown."""
        return self.path / "report.md"


def write_json(path: Path, value: object) -> None:
    """Write it whole or not at all.

    Raises:
        RunError: the disk refused.
    """
    partial = path.with_name(path.name + ".partial")
    with writing(path):
        partial.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(partial, path)


def read_json(path: Path) -> Any:
    """The inverse of `write_json`.

    Raises:
        RunError: missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {path}: {error}") from error


def refuse_differences(path: Path, what: str, before: object, now: object) -> None:
    """Raise RunError, which names the first differences, unless both values are equal.

    Args:
        path: what was begun.
        what: differs.
        before: as it is on file.
        now: as it would be.
    """
    differences = _differences(before, now, "")
    if differences:
        shown = "; ".join(differences[:_MOST_SHOWN])
        more = f"; and {len(differences) - _MOST_SHOWN} more" if len(differences) > _MOST_SHOWN else ""
        raise RunError(f"{path} was begun with another {what}: {shown}{more}. Choose another folder with --results")


def _differences(before: object, now: object, place: str) -> list[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return [
            difference
            for key in dict.fromkeys([*before, *now])
            for difference in _differences(before.get(key), now.get(key), f"{place}.{key}" if place else str(key))
        ]
    return [] if before == now else [f"{place} was {json.dumps(before)}, is {json.dumps(now)}"]
