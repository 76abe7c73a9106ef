"""`python benchmarks/performance`: measures this machine and prints one table.

Owns finding and printing. Every other module of this folder that has a function `rows()` returning `Row`s
takes part, and with `--peers` its `peer_rows()`, measured next to another package. Run as a folder, they import
each other by their plain names.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from row import Row

from appo_agent.errors import did_you_mean

FOLDER = Path(__file__).parent


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table. Returns 0, or 2 when `--only` names no module."""
    parser = argparse.ArgumentParser(prog="python benchmarks/performance", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="measure one module of the folder, such as startup")
    parser.add_argument(
        "--peers",
        action="store_true",
        help="also next to other packages, which are installed into environments of their own under ~/.cache/appo-gym",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args(argv)
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("__main__", "row"))
    if options.only is not None and options.only not in names:
        print(f"no module {options.only!r}{did_you_mean(options.only, names)}", file=sys.stderr)
        return 2
    found: list[Row] = []
    for name in names if options.only is None else [options.only]:
        found += _measure(name, peers=options.peers)
    print(as_json(found) if options.json else table(found))
    return 0


def as_json(rows: Sequence[Row]) -> str:
    """The rows as one JSON list; JSON has no NaN, so a ratio without a peer is null."""
    values = [row._asdict() | {"ratio": None if math.isnan(row.ratio) else row.ratio} for row in rows]
    return json.dumps(values, allow_nan=False)


def table(rows: Sequence[Row]) -> str:
    """The rows in aligned columns under a heading."""
    lines = [("name", "value", "unit", "peer", "ratio", "target")]
    lines += [(row.name, f"{row.value:.4g}", row.unit, row.peer, f"{row.ratio:.3g}", row.target) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _measure(name: str, *, peers: bool) -> Iterable[Row]:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Somebody who installed only the environments still gets the rest of the table.
        print(f"{name} left out: {error.name} is not installed", file=sys.stderr)
        return []
    functions = ["rows", "peer_rows"] if peers else ["rows"]
    parts: list[Callable[[], Iterable[Row]]] = [vars(module)[name] for name in functions if name in vars(module)]
    return [row for rows in parts for row in rows()]


if __name__ == "__main__":
    sys.exit(main())
