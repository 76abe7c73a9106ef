"""`appo envs`: the registered environments."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

HELP = "List the ids of the environments, for `gymnasium.make(ID)` and `appo train --env ID`."


def run(argv: Sequence[str]) -> int:
    """Print every id."""
    parser = argparse.ArgumentParser(prog="appo envs", description=HELP, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args(argv)
    from appo_envs.registration import env_ids

    print(json.dumps(list(env_ids())) if options.json else "\n".join(env_ids()))
    return 0
