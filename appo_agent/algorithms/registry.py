"""Algorithms by name. Adding one takes its file and one line here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from appo_agent.algorithms import readings, shared_states  # noqa: F401  (makes these estimators known)
from appo_agent.algorithms.algorithm import Algorithm
from appo_agent.algorithms.appo import APPO
from appo_agent.algorithms.arpo import ARPO
from appo_agent.algorithms.cispo import CISPO
from appo_agent.algorithms.dapo import DAPO
from appo_agent.algorithms.dr_grpo import DR_GRPO
from appo_agent.algorithms.fipo import FIPO
from appo_agent.algorithms.gigpo import GIGPO
from appo_agent.algorithms.gppo import GPPO
from appo_agent.algorithms.grpo import GRPO
from appo_agent.algorithms.gspo import GSPO
from appo_agent.algorithms.reinforce_pp import REINFORCE_PP
from appo_agent.algorithms.rloo import RLOO
from appo_agent.algorithms.tree_grpo import TREE_GRPO
from appo_agent.algorithms.vineppo import VINEPPO

ALGORITHMS: Mapping[str, Algorithm] = {
    entry.name: entry
    for entry in (
        APPO,
        GRPO,
        DR_GRPO,
        RLOO,
        REINFORCE_PP,
        DAPO,
        GSPO,
        CISPO,
        GPPO,
        GIGPO,
        FIPO,
        VINEPPO,
        ARPO,
        TREE_GRPO,
    )
}


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
