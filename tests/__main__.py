"""All checks in the environment at hand: `python -m tests`, with pytest's arguments behind.

What fails soonest comes first, and everything runs even if something fails. `.ci/run` does the same in a fresh
environment, and what needs a browser, Ray or vLLM.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("basedpyright", "--pythonpath", sys.executable),
    ("pytest",),
)
"""Programs of Python packages, each with its arguments."""


def main() -> int:
    """Run every check; the exit code is 0 if all passed."""
    failed = []
    for name, *arguments in CHECKS:
        words = [name, *arguments, *(sys.argv[1:] if name == "pytest" else [])]
        print(f"== {' '.join(words[:2])}", flush=True)
        if subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False).returncode:
            failed.append(" ".join(words[:2]))
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
