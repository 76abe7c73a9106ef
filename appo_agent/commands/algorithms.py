"""`appo algorithms`: the registered training algorithms."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

HELP = "List the training algorithms, for `appo train --algorithm NAME`."


def run(argv: Sequence[str]) -> int:
    """Print every algorithm's name and summary."""
    parser = argparse.ArgumentParser(prog="appo algorithms", description=HELP, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args(argv)
    # Imports torch: only after the options are known to be right.
    from appo_agent.algorithms.registry import ALGORITHMS

    if options.json:
        print(json.dumps([{"name": name, "summary": entry.summary} for name, entry in ALGORITHMS.items()]))
        return 0
    width = max(map(len, ALGORITHMS))
    for name, entry in ALGORITHMS.items():
        print(f"{name:<{width}}  {entry.summary}")
    return 0
