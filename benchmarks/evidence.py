"""Writes docs/evidence.md from the figures under benchmarks/results, and the pictures beside it.

    python benchmarks/evidence.py            # writes
    python benchmarks/evidence.py --check    # exit code 1 if the page is not what the figures say

The page is never edited: what it says beyond figures stands here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from appo_agent.analysis.compare.findings import Findings, read_findings
from appo_agent.analysis.compare.plots import draw
from appo_agent.analysis.compare.report import markdown, summary
from appo_agent.analysis.diagnose.diagnosis import Diagnosis
from appo_agent.analysis.diagnose.diagnosis_file import read_diagnosis
from appo_agent.analysis.diagnose.plots import draw as draw_diagnosis
from appo_agent.analysis.diagnose.report import markdown as diagnosis_markdown

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "evidence.md"
PICTURES = ROOT / "docs" / "evidence"

HEAD = """# Evidence

Written by `python benchmarks/evidence.py` from the files in `benchmarks/results`; do not edit. [Compare](compare.md)
says how a comparison is made, [Diagnose](diagnose.md) how decisions are measured. Rates are chosen and the number of
pairs is decided on the validation split with seeds of their own, the answer is found on the test split with seeds that
nobody had seen. A comparison that finds nothing says with what power it would have found something.
"""


def page(comparisons: list[Findings], diagnoses: dict[str, Diagnosis]) -> str:
    """The text of the page, with the pictures that were drawn; diagnoses by the names of their files."""
    parts = [_compared(comparisons, diagnoses)]
    for name, each in diagnoses.items():
        parts.append(diagnosis_markdown(each, level=2))
        parts.append(_shown(name))
    return "\n".join(parts)


def _compared(comparisons: list[Findings], diagnoses: dict[str, Diagnosis]) -> str:
    if not comparisons:
        return HEAD + "\nNo comparison is on file yet.\n"
    short = "\n".join(f"- `{each.name}`\n" + _indented(summary(each)) for each in comparisons)
    parts = [HEAD, "## In short\n\nDifferences in points of success, with 95 % intervals.\n\n" + short + "\n"]
    if diagnoses:
        parts.append(_captured(diagnoses))
    for each in comparisons:
        parts.append(markdown(each, level=2))
        parts.append(_shown(each.name))
    return "\n".join(parts)


def _captured(diagnoses: dict[str, Diagnosis]) -> str:
    """What each branching rule finds of what decides the outcome, one row a diagnosis."""
    rules = [figures.rule for figures in next(iter(diagnoses.values())).rule_figures]
    rows = [["diagnosis", *rules], ["---"] * (len(rules) + 1)]
    for name, each in diagnoses.items():
        captured = {figures.rule: f"{round(figures.captured, 2) + 0.0:.2f}" for figures in each.rule_figures}
        rows.append([name.removeprefix("diagnose_"), *(captured.get(rule, "-") for rule in rules)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"Share of what decides the outcome (criticality) that lies where a branching rule branches first.\n\n{table}\n"
    )


def main() -> int:
    """Write or check the page. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
    options = parser.parse_args()
    comparisons = [read_findings(path) for path in sorted(RESULTS.glob("compare_*.json"))]
    diagnoses = {path.stem: read_diagnosis(path) for path in sorted(RESULTS.glob("diagnose_*.json"))}
    if options.check:
        if PAGE.read_text(encoding="utf-8") != page(comparisons, diagnoses):
            print(f"{PAGE} is not what {RESULTS} says; run `python benchmarks/evidence.py`", file=sys.stderr)
            return 1
        return 0
    for each in comparisons:
        draw(each, _emptied(each.name))
    for name, each in diagnoses.items():
        draw_diagnosis(each, _emptied(name))
    PAGE.write_text(page(comparisons, diagnoses), encoding="utf-8")
    print(PAGE)
    return 0


def _emptied(name: str) -> Path:
    """The folder of a part's pictures, without those that were drawn before."""
    folder = PICTURES / name
    folder.mkdir(parents=True, exist_ok=True)
    for picture in folder.glob("*.png"):
        picture.unlink()
    return folder


def _shown(name: str) -> str:
    pictures = sorted((PICTURES / name).glob("*.png"))
    return "\n\n".join(f"![{path.stem}](evidence/{name}/{path.name})" for path in pictures) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"    - {line}" for line in text.splitlines())


if __name__ == "__main__":
    raise SystemExit(main())
