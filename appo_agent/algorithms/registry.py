"""Algorithms by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from appo_agent.algorithms.algorithm import Algorithm
from appo_agent.algorithms.appo import APPO
from appo_agent.algorithms.fipo import FIPO
from appo_agent.algorithms.grpo import GRPO

ALGORITHMS: Mapping[str, Algorithm] = {entry.name: entry for entry in (APPO, GRPO, FIPO)}


def algorithm(name: str) -> Algorithm:
    """The algorithm of this name.

    Raises:
        ValueError: there is none; names the nearest.
    """
    if name not in ALGORITHMS:
        close = difflib.get_close_matches(name, ALGORITHMS, n=1, cutoff=0.4)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"no algorithm {name!r}{hint} (there are {', '.join(ALGORITHMS)})")
    return ALGORITHMS[name]
