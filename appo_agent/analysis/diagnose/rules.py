"""How well a branching rule finds the tokens where decisions matter.

Two figures for each rule. Its rank correlation with criticality within bins of position: what it knows beyond "early"
or "late". And the share of all criticality that lies at the B tokens which it would choose in each rollout. Intervals
are bootstrapped over rollouts, whose tokens are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from appo_agent.analysis.diagnose.measure import NEVER, RULES, Token
from appo_agent.analysis.statistics import Interval

BINS = 5
RESAMPLES = 4000
ORACLE = "oracle"
"""Chooses by the criticality of one half of the continuations; the other half says what it got."""


class RuleFigures(NamedTuple):
    """What a rule is worth.

    Attributes:
        rule: its name.
        correlation: Spearman's, within bins of position, in [-1, 1]; NaN where the rule or criticality is constant.
        correlation_interval: 95%.
        captured: share of the criticality at its top B tokens; NaN where there is none to capture.
        captured_interval: 95%.
    """

    rule: str
    correlation: float
    correlation_interval: Interval
    captured: float
    captured_interval: Interval


def rule_figures(tokens: Sequence[Token], branches: int, seed: int, rules: Sequence[str] = RULES) -> list[RuleFigures]:
    """The figures of every rule, and of the oracle at the end.

    Args:
        tokens: that were measured.
        branches: B, tokens that a rule chooses in each rollout.
        seed: of the bootstrap.
        rules: names of the tokens' ratings.
    """
    ratings = {rule: np.array([token.ratings[place] for token in tokens]) for place, rule in enumerate(rules)}
    criticality = np.array([token.value.criticality for token in tokens])
    first, second = (np.array([getattr(token, half) for token in tokens]) for half in ("first_half", "second_half"))
    owners, bins = np.array([token.rollout for token in tokens]), position_bins(tokens)
    weights = _resampled(len(np.unique(owners)), seed)
    found = []
    for rule, rating in [*ratings.items(), (ORACLE, first)]:
        target = second if rule == ORACLE else criticality
        moments = _by_owner(_rank_moments(rating, target, bins), owners)
        shares = _by_owner(np.stack([np.where(_chosen(rating, owners, branches), target, 0.0), target]), owners)
        found.append(
            RuleFigures(
                rule,
                float(_correlation(moments.sum(1))),
                _percentiles(_correlation(moments @ weights)),
                float(_share(shares.sum(1))),
                _percentiles(_share(shares @ weights)),
            )
        )
    return found


def position_bins(tokens: Sequence[Token]) -> np.ndarray:
    """(n,) the bin of each token's position in its rollout, 0 to `BINS` - 1."""
    return np.array([min(BINS - 1, int(token.position * BINS)) for token in tokens])


def binned_correlation(ratings: np.ndarray, target: np.ndarray, bins: np.ndarray) -> float:
    """Spearman's correlation of what is left of the ranks once each bin's mean rank is taken away.

    Args:
        ratings: (n,).
        target: (n,).
        bins: (n,) of the positions.

    Returns:
        In [-1, 1]; NaN where either side is constant within every bin.
    """
    return float(_correlation(_rank_moments(ratings, target, bins).sum(1)))


def captured_share(ratings: np.ndarray, target: np.ndarray, owners: np.ndarray, branches: int) -> float:
    """Criticality at the best-rated tokens of each rollout over that of all tokens.

    Args:
        ratings: (n,); the higher, the sooner chosen; ties by order.
        target: (n,) criticality, which may be below 0 by noise.
        owners: (n,) rollout of each token.
        branches: B, tokens chosen in each rollout, at least 1.

    Returns:
        Near [0, 1]; NaN where all criticality together is not above 0.
    """
    chosen = _chosen(ratings, owners, branches)
    return float(_share(np.array([target[chosen].sum(), target.sum()])))


def _chosen(ratings: np.ndarray, owners: np.ndarray, branches: int) -> np.ndarray:
    """(n,) bool: the best-rated tokens of each rollout, fewer where the rule takes no others."""
    chosen = np.zeros(len(ratings), bool)
    for name in np.unique(owners):
        mine = np.flatnonzero((owners == name) & (ratings > NEVER))
        chosen[mine[np.argsort(-ratings[mine], kind="stable")[:branches]]] = True
    return chosen


def _rank_moments(ratings: np.ndarray, target: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """(3, n) products of the centred ranks: left with right, left with left, right with right."""
    left, right = _centred_ranks(ratings, bins), _centred_ranks(target, bins)
    return np.stack([left * right, left**2, right**2])


def _centred_ranks(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    centred = np.zeros(len(values))
    for name in np.unique(bins):
        inside = bins == name
        ranks = rankdata(values[inside])
        # Over the bin's size: a bin of many tokens has larger ranks, and no more to say on each.
        centred[inside] = (ranks - ranks.mean()) / len(ranks)
    return centred


def _correlation(moments: np.ndarray) -> np.ndarray:
    """(...,) of sums (3, ...); NaN where a side is constant."""
    scale = np.sqrt(moments[1] * moments[2])
    return np.divide(moments[0], scale, out=np.full_like(scale, math.nan), where=scale > 0)


def _share(sums: np.ndarray) -> np.ndarray:
    """(...,) of sums (2, ...); NaN where there is nothing to have a share of."""
    total = np.asarray(sums[1])
    return np.divide(sums[0], total, out=np.full_like(total, math.nan), where=total > 0)


def _by_owner(values: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """(k, rollouts) sums of (k, n) over the tokens of each rollout."""
    return np.stack([values[:, owners == name].sum(1) for name in np.unique(owners)], axis=1)


def _resampled(count: int, seed: int) -> np.ndarray:
    """(count, RESAMPLES) how often each rollout is drawn; ranks stay those of the whole sample."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES).T.astype(float)


def _percentiles(values: np.ndarray) -> Interval:
    known = values[~np.isnan(values)]
    return Interval(*map(float, np.quantile(known, [0.025, 0.975]))) if len(known) else Interval(math.nan, math.nan)
