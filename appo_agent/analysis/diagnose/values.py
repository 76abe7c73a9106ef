"""What continuations of a state say about it: the variance of its return, and how much its next action decides.

For a state s with the policy's actions a and return R, Var(R | s) = E_a Var(R | s, a) + Var_a Q(s, a). The second term
is the state's criticality: how much hangs on the token that is drawn next. Theorem 3.1 of the paper takes the sum to be
the same in all states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class StateValue(NamedTuple):
    """What K continuations say about a state.

    Attributes:
        mean: of the returns.
        variance: Var(R | s), unbiased.
        criticality: Var_a Q(s, a), nearly unbiased, hence sometimes below 0 by noise.
        actions: different first tokens that were drawn.
    """

    mean: float
    variance: float
    criticality: float
    actions: int


def state_value(actions: Sequence[int], returns: ArrayLike) -> StateValue:
    """Estimate a state's figures from independent continuations.

    With n_a of K continuations that begin with a, and their mean r_a and unbiased variance v_a:
    E[Q^2] is estimated by sum_a (n_a / K) (r_a^2 - v_a / n_a), (E Q)^2 by r^2 - v / K, criticality by the difference.
    An action that was drawn once has no v_a of its own and takes the variance within the others.

    Args:
        actions: (K,) first token of each continuation.
        returns: (K,) reward of each; K at least 2.

    Raises:
        ValueError: fewer than two continuations, or lengths differ.
    """
    rewards = np.asarray(returns, dtype=np.float64)
    if rewards.ndim != 1 or len(rewards) < 2 or len(actions) != len(rewards):
        raise ValueError(f"need at least two continuations with a return each, got {len(actions)} and {rewards.shape}")
    count, mean, variance = len(rewards), float(rewards.mean()), float(rewards.var(ddof=1))
    names = np.asarray(actions)
    groups = [rewards[names == name] for name in np.unique(names)]
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    # All actions differ: nothing was seen twice, so what is within and what is between cannot be told apart.
    within = sum(group.var(ddof=1) * (len(group) - 1) for group in several) / freedom if freedom else variance
    squares = sum(
        len(group) / count * (group.mean() ** 2 - (group.var(ddof=1) if len(group) > 1 else within) / len(group))
        for group in groups
    )
    return StateValue(mean, variance, float(squares - (mean**2 - variance / count)), len(groups))
