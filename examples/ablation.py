"""The paper's ablation on a laptop: APPO, and APPO with one part taken out, over several seeds at equal tokens.

`python examples/ablation.py --seeds 3 --folder runs/ablation` takes about three minutes a cell with the preset `paper`,
one cell after the other on one core. Words behind `--` are settings of every cell: `-- --token-budget 100000`. The same
command again goes on where it stopped. A few seeds of a small task show how the parts are switched, not which of them
matter: read the intervals.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from appo_agent.analysis.statistics import bootstrap_interval
from appo_agent.commands.main import main as appo

VARIANTS = {
    "appo": (),
    "entropy for BS": ("--plan.criterion", "entropy"),
    "no A_fut": ("--advantage.future-aware", "False"),
    "single group": ("--advantage.estimator", "single"),
    "random tokens": ("--plan.criterion", "random"),
}
"""Settings by the name of the variant; the first is what the others are compared with."""


def cell(folder: Path, name: str, seed: int, preset: str, settings: Sequence[str]) -> float:
    """Success after training of one variant and seed; trained now, or taken from an earlier call."""
    run = folder / f"{name.replace(' ', '_')}-{seed}"
    result = folder / f"{run.name}.json"
    if not result.exists():
        if (run / "config.toml").exists():
            words = ["train", "--resume", str(run), "--json"]
        else:
            words = ["train", preset, "--run-dir", str(run), "--json", "--seed", str(seed), *VARIANTS[name], *settings]
        shown = io.StringIO()
        with redirect_stdout(shown):
            code = appo(words)
        if code:
            raise SystemExit(code)
        result.write_text(shown.getvalue(), encoding="utf-8")
    return float(json.loads(result.read_text(encoding="utf-8"))["after"]["success"])


def table(found: Mapping[str, Sequence[float]]) -> str:
    """A line a variant: mean success, and the difference to the first one, paired by seed, with its interval."""
    names = list(found)
    width = max(map(len, names))
    lines = [f"{'':<{width}}  success  difference to {names[0]}"]
    for name in names:
        mean = sum(found[name]) / len(found[name])
        line = f"{name:<{width}}  {mean:6.1%}"
        if name != names[0] and len(found[name]) > 1:
            pairs = [one - other for one, other in zip(found[name], found[names[0]], strict=True)]
            low, high = bootstrap_interval(pairs, seed=0)
            line += f"   {sum(pairs) / len(pairs):+6.1%}  [{low:+.1%}, {high:+.1%}]"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """Train every cell that is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, ... (default: 3)")
    parser.add_argument("--preset", default="paper", help="what every cell begins with (default: paper)")
    parser.add_argument("--folder", type=Path, default=Path("runs/ablation"), help="where runs and results are kept")
    parser.add_argument("settings", nargs="*", help="settings of every cell, behind --")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    options.folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for seed in range(options.seeds):
        for name in VARIANTS:
            found[name].append(cell(options.folder, name, seed, options.preset, options.settings))
            print(f"{name}, seed {seed}: {found[name][-1]:.1%}", file=sys.stderr)
    print(table(found))


if __name__ == "__main__":
    main()
