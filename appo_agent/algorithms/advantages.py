"""Credit: from the rewards of a prompt's rollouts to one number a policy token (section 3).

Each reading is a function (group) -> (R, L): the base advantage of every policy token on every rollout's whole path,
L the longest path, 0 beyond a row's length. Rewards arrive once a rollout, so a row is piecewise constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from appo_agent.algorithms.group import NORMALIZE_EPS, Group, has_signal, normalize, shared_prefix

Estimator = Literal["equation", "prefix", "contrast", "path_mean", "single"]


@dataclass(frozen=True)
class AdvantageConfig:
    """How credit is assigned."""

    estimator: Estimator = "equation"
    """Reading of the group advantage: "equation" (eq. 6), "prefix" (the authors' code), "contrast" (against branches
    at the same token), "path_mean" (mean reward of the rollouts that share the token), "single" (one mixed group)."""
    future_weight: float = 0.5
    """b: the final advantage is A_base * (1 + b * A_fut), 0 or more. 0: A_base alone."""
    future_aware: bool = True
    """False replaces A_fut by 1 (ablation): the weighting goes, the scale stays."""
    future_clip: tuple[float, float] = (1.0, 1.2)
    """Range of A_fut (eq. 7), 0 < low <= high."""
    cap_negative_ratio_above: float = 0.0
    """Cap A_fut at 1 for tokens with negative advantage whose importance ratio exceeds this; 0: never. The public
    implementation uses 6."""
    train_branches: bool = False
    """Train the branches' own tokens too. The paper uses branches for advantages only."""

    def __post_init__(self) -> None:
        if self.estimator not in get_args(Estimator):
            raise ValueError(f"estimator must be one of {', '.join(get_args(Estimator))}, got {self.estimator!r}")
        # Written so that NaN, which compares false with everything, is refused too.
        low, high = self.future_clip
        if not 0 < low <= high:
            raise ValueError(f"future_clip must satisfy 0 < low <= high, got {self.future_clip}")
        for name in ("future_weight", "cap_negative_ratio_above"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")


def single(group: Group) -> Tensor:
    """One mixed group: (R_n - mean) / std over all rollouts. Over independent rollouts this is GRPO's advantage."""
    return _whole_rows(group, normalize(group.rewards))


def equation(group: Group) -> Tensor:
    """Eq. 6 as written: for initial rollouts the average over T in {T_init, T_branch} of (R_n - mean(R_T)) / std(R_T).

    Groups without signal drop out of the average; none left: 0. Branches get their own group's normalised reward.
    """
    initial = group.initial
    terms = [
        (group.rewards - members.mean()) / (members.std(unbiased=False) + NORMALIZE_EPS)
        for members in (group.rewards[initial], group.rewards[~initial])
        if has_signal(members)
    ]
    average = torch.stack(terms).mean(0) if terms else torch.zeros_like(group.rewards)
    return _whole_rows(group, torch.where(initial, average, _branch_values(group)))


def prefix(group: Group) -> Tensor:
    """The authors' code: own-group advantage, plus, before a branch point, the mean advantage of its branches.

    A_{n,j} = (R_n - mean(R_init)) / std(R_init) + mean over branches of n with branch point i > j of their T_branch
    advantage. A branch at i shares only tokens before i: one at i = 0 changes nothing.
    """
    initial = group.initial
    own = torch.zeros_like(group.rewards)
    own[initial] = normalize(group.rewards[initial])
    branch = _branch_values(group)
    shares = _shares(group) & initial[:, None, None] & ~initial[None, :, None]
    return _whole_rows(group, torch.where(initial, own, branch)) + _mean_over(branch, shares)


def contrast(group: Group) -> Tensor:
    """Credit for the choice itself: R_n minus the mean reward of the branches drawn at the nearest point up to j.

    Before a rollout's first branch point the baseline is the mean of the initial rollouts. Divided by the std over all
    rollouts of the prompt.
    """
    baseline = group.rewards[group.initial].mean().expand(len(group.rewards), _longest(group)).clone()
    for row in range(len(group.rewards)):
        children = (group.parent == row).nonzero()[:, 0]
        for at in sorted(set(group.branch_at[children].tolist())):
            here = children[group.branch_at[children] == at]
            baseline[row, at:] = group.rewards[here].mean()
    if not has_signal(group.rewards):
        return torch.zeros_like(baseline)
    scale = group.rewards.std(unbiased=False) + NORMALIZE_EPS
    return torch.where(_within(group), (group.rewards[:, None] - baseline) / scale, 0.0)


def path_mean(group: Group) -> Tensor:
    """A token's credit is the mean reward of all rollouts whose path holds it, minus the prompt's mean, over its std.

    ARPO's "hard" credit on Branching Score branches.
    """
    if not has_signal(group.rewards):
        return torch.zeros(len(group.rewards), _longest(group), dtype=group.rewards.dtype)
    shared_reward = _mean_over(group.rewards, _shares(group))
    scale = group.rewards.std(unbiased=False) + NORMALIZE_EPS
    return torch.where(_within(group), (shared_reward - group.rewards.mean()) / scale, 0.0)


ESTIMATORS: Mapping[str, Callable[[Group], Tensor]] = {
    "equation": equation,
    "prefix": prefix,
    "contrast": contrast,
    "path_mean": path_mean,
    "single": single,
}


def future_aware(base: Tensor, omega: Tensor, ratio: Tensor, config: AdvantageConfig) -> Tensor:
    """A_i = A_base_i * (1 + b * A_fut_i) with A_fut = clip(Omega) (eq. 7), detached.

    Args:
        base: A_base, (B, T).
        omega: future value, not clipped, (B, T).
        ratio: importance ratio rho, (B, T); only `cap_negative_ratio_above` reads it.
        config: weight, clip and options.

    Returns:
        (B, T), no gradient.
    """
    low, high = config.future_clip
    weight = omega.clamp(low, high) if config.future_aware else torch.ones_like(omega)
    if config.cap_negative_ratio_above:
        capped = (base < 0) & (ratio > config.cap_negative_ratio_above)
        weight = torch.where(capped, weight.clamp(max=1.0), weight)
    return (base * (1 + config.future_weight * weight)).detach()


def same_sign(group: Group) -> bool:
    """Whether `equation` pushes all initial rollouts one way: equal initial rewards, differing branches, a gap."""
    initial, branches = group.rewards[group.initial], group.rewards[~group.initial]
    return not has_signal(initial) and has_signal(branches) and bool((initial.mean() - branches.mean()).abs() > 0)


def _branch_values(group: Group) -> Tensor:
    """(R,) T_branch-normalised rewards of the branches; 0 for initial rollouts."""
    values = torch.zeros_like(group.rewards)
    values[~group.initial] = normalize(group.rewards[~group.initial])
    return values


def _longest(group: Group) -> int:
    return int(group.lengths.max())


def _within(group: Group) -> Tensor:
    """(R, L) True at policy tokens that exist."""
    return torch.arange(_longest(group))[None] < group.lengths[:, None]


def _whole_rows(group: Group, values: Tensor) -> Tensor:
    return torch.where(_within(group), values[:, None], torch.zeros((), dtype=values.dtype))


def _shares(group: Group) -> Tensor:
    """(R, R, L) True at [n, m, j] when m's path holds n's policy token j."""
    return torch.arange(_longest(group)) < shared_prefix(group)[..., None]


def _mean_over(values: Tensor, members: Tensor) -> Tensor:
    """(R, L) mean of values[m] over the m with members[n, m, j]; 0 where there is none."""
    weights = members.to(values.dtype)
    return torch.einsum("nmj,m->nj", weights, values) / weights.sum(1).clamp(min=1)
