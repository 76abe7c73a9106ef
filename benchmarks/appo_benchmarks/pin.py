"""The note beside a downloaded file: which commit of which data set it is.

Owns its file. Files that users bring themselves have none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from appo_benchmarks.errors import BenchmarkError

PIN_NAME = "source.json"


@dataclass(frozen=True)
class Pin:
    """Where a file came from.

    Attributes:
        hub: id of the data set.
        revision: its commit.
        sha256: of the file's bytes.
    """

    hub: str
    revision: str
    sha256: str


def read_pin(path: Path) -> Pin | None:
    """The note; None where there is none.

    Raises:
        BenchmarkError: it is damaged.
    """
    if not path.is_file():
        return None
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return Pin(str(read["hub"]), str(read["revision"]), str(read["sha256"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is no note of a download: {error}; remove it and fetch again") from error


def write_pin(path: Path, pin: Pin) -> None:
    """Write the note."""
    path.write_text(json.dumps(asdict(pin), indent=2) + "\n", encoding="utf-8")


def revision_of(path: Path, sha256: str) -> str:
    """The commit that a data file is from; empty for a file that was not downloaded.

    Args:
        path: of the data file.
        sha256: of its bytes.

    Raises:
        BenchmarkError: the file is not the one that was downloaded.
    """
    pin = read_pin(path.parent / PIN_NAME)
    if pin is None:
        return ""
    if pin.sha256 != sha256:
        raise BenchmarkError(
            f"{path} was changed since it was fetched; remove it and fetch again, or remove {path.parent / PIN_NAME} "
            "if it is meant to be another"
        )
    return pin.revision
