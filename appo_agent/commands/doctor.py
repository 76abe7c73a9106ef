"""`appo doctor`: the results of all checks in `appo_agent.doctor`, as lines, as JSON or as a report of a bug."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from appo_agent.bug_report import bug_report
from appo_agent.doctor import CheckResult, run_checks

HELP = "Say what this machine has and what it lacks. Exits with 1 when something is broken."


def run(argv: Sequence[str]) -> int:
    """Print all results."""
    parser = argparse.ArgumentParser(prog="appo doctor", description=HELP, allow_abbrev=False)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON list")
    form.add_argument(
        "--report", action="store_true", help="print what a bug report needs, without names, paths and secrets"
    )
    options = parser.parse_args(argv)
    results = list(run_checks())
    if options.json:
        print(json.dumps([asdict(result) for result in results]))
    elif options.report:
        print(bug_report(results))
    else:
        width = max(len(result.name) for result in results)
        for result in results:
            print(_line(result, width))
    return int(any(result.status == "broken" for result in results))


def _line(result: CheckResult, width: int) -> str:
    advice = f"  -> {result.advice}" if result.advice else ""
    return f"{result.status:<8}{result.name:<{width}}  {result.detail}{advice}"
