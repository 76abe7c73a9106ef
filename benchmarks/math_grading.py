r"""Counts for benchmarks/results/math_grading.md: verdicts of `math_equal` beside those of plain math-verify.

    python benchmarks/math_grading.py DATA    # DATA/math500/test.jsonl, aime24, aime25 and gsm8k; prints two tables

Owns how answers are made of gold answers. Plain math-verify is asked in a process of its own too, with both texts in a
box, because some rewritten answers would keep it busy.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from appo_benchmarks.loaders import load_items
from appo_benchmarks.registry import benchmark_of

from appo_envs.grading import math_equal
from appo_envs.grading.math_pool import MathPool

SHIFTS = (1, 7, 31, 97)
Rewriting = Callable[[str], str]

OF_ALL: dict[str, Rewriting] = {
    "between dollars": lambda gold: f"${gold}$",
    r"words outside `\text{}`": lambda gold: re.sub(r"\\text\{([^{}]*)\}", r"\1", gold),
    r"`\dfrac` for `\frac`": lambda gold: gold.replace(r"\frac", r"\dfrac"),
    "a full stop after it": lambda gold: f"{gold}.",
    "spaces around signs": lambda gold: re.sub(r"(?<=\w)([-+=])(?=\w)", r" \1 ", gold),
    '"x = " before it': lambda gold: f"x = {gold}",
    r"`\text{ cm}` after it": lambda gold: rf"{gold}\text{{ cm}}",
    "a minus before it": lambda gold: f"-{gold}",
    "a percent sign after it": lambda gold: rf"{gold}\%",
    "items of a list in reverse": lambda gold: ", ".join(reversed(gold.split(", "))),
}
OF_NUMBERS: dict[str, Rewriting] = {
    "years": lambda gold: f"{gold} years",
    "dollars": lambda gold: f"{gold} dollars",
    "downloads": lambda gold: f"{gold} downloads",
    "years old": lambda gold: f"{gold} years old",
    "/hour": lambda gold: f"{gold}/hour",
    "€ before it": lambda gold: f"€{gold}",
    "bold": lambda gold: f"**{gold}**",
    "e+0 after it": lambda gold: f"{gold}e+0",
    "or the next integer": lambda gold: f"{gold} or {int(gold) + 1}",
    "hundred": lambda gold: f"{gold} hundred",
    "another integer = before it": lambda gold: f"{int(gold) + 35}={gold}",
    "base 7": lambda gold: f"{gold}_7",
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the evaluation files")
    data: Path = parser.parse_args().data
    math500, aime, gsm8k = (
        [item.golds[0] for name in names for item in load_items(benchmark_of(name), data).items]
        for names in (("math500",), ("aime24", "aime25"), ("gsm8k",))
    )
    plain = MathPool(2, 2.0, 8192)
    print("| pairs | number | equal |\n|---|---|---|")
    for name, golds in (("MATH-500", math500), ("AIME", aime), ("GSM8K", gsm8k)):
        _print_pairs(f"{name}, each with itself", [(gold, gold) for gold in golds])
        others = [(golds[(i + shift) % len(golds)], gold) for i, gold in enumerate(golds) for shift in SHIFTS]
        _print_pairs(f"{name}, each with four others", [(one, gold) for one, gold in others if one != gold])
    print("\n| rewriting | pairs | equal here | equal by plain math-verify | by it alone |\n|---|---|---|---|---|")
    for golds, rewritings in ((math500 + aime, OF_ALL), (gsm8k, OF_NUMBERS)):
        for name, rewriting in rewritings.items():
            pairs = [(answer, gold) for gold in golds if (answer := rewriting(gold)) != gold]
            here = [math_equal(*pair) == 1 for pair in pairs]
            there = [plain.equal(*pair) for pair in pairs]
            alone = sum(theirs > ours for ours, theirs in zip(here, there, strict=True))
            print(f"| {name} | {len(pairs)} | {sum(here)} | {sum(there)} | {alone} |", flush=True)
    plain.close()


def _print_pairs(name: str, pairs: Sequence[tuple[str, str]]) -> None:
    print(f"| {name} | {len(pairs)} | {sum(math_equal(*pair) for pair in pairs):.0f} |", flush=True)


if __name__ == "__main__":
    main()
