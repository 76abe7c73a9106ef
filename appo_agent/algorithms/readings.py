"""Base advantages that several algorithms share: one group, and the readings of APPO's dual group (section 3).

Rewards arrive once a rollout, so a row is piecewise constant.
"""

from __future__ import annotations

import torch
from torch import Tensor

from appo_agent.algorithms.advantages import AdvantageConfig, estimator
from appo_agent.algorithms.group import (
    Group,
    has_signal,
    longest,
    mean_over,
    normalize,
    shared_prefix,
    spread,
    whole_rows,
    within,
)


@estimator
def single(group: Group, config: AdvantageConfig) -> Tensor:
    """One mixed group: (R_n - mean) / std over all rollouts. Over independent rollouts this is GRPO's advantage."""
    return whole_rows(group, normalize(group.rewards, by_std=config.scale_by_std))


@estimator
def equation(group: Group, config: AdvantageConfig) -> Tensor:
    """Eq. 6 as written: for initial rollouts the average over T in {T_init, T_branch} of (R_n - mean(R_T)) / std(R_T).

    Groups without signal drop out of the average; none left: 0. Branches get their own group's normalised reward.
    """
    initial = group.initial
    terms = [
        (group.rewards - members.mean()) / spread(members, by_std=config.scale_by_std)
        for members in (group.rewards[initial], group.rewards[~initial])
        if has_signal(members)
    ]
    average = torch.stack(terms).mean(0) if terms else torch.zeros_like(group.rewards)
    return whole_rows(group, torch.where(initial, average, _branch_values(group, config)))


@estimator
def prefix(group: Group, config: AdvantageConfig) -> Tensor:
    """The authors' code: own-group advantage, plus, before a branch point, the mean advantage of its branches.

    A_{n,j} = (R_n - mean(R_init)) / std(R_init) + mean over branches of n with branch point i > j of their T_branch
    advantage. A branch at i shares only tokens before i: one at i = 0 changes nothing.
    """
    initial = group.initial
    own = torch.zeros_like(group.rewards)
    own[initial] = normalize(group.rewards[initial], by_std=config.scale_by_std)
    branch = _branch_values(group, config)
    shares = _shares(group) & initial[:, None, None] & ~initial[None, :, None]
    return whole_rows(group, torch.where(initial, own, branch)) + mean_over(branch, shares)


@estimator
def contrast(group: Group, config: AdvantageConfig) -> Tensor:
    """Credit for the choice itself: R_n minus the mean reward of the branches drawn at the nearest point up to j.

    Before a rollout's first branch point the baseline is the mean of the initial rollouts. Divided by the std over all
    rollouts of the prompt.
    """
    baseline = group.rewards[group.initial].mean().expand(len(group.rewards), longest(group)).clone()
    for row in range(len(group.rewards)):
        children = (group.parent == row).nonzero()[:, 0]
        for at in sorted(set(group.branch_at[children].tolist())):
            here = children[group.branch_at[children] == at]
            baseline[row, at:] = group.rewards[here].mean()
    if not has_signal(group.rewards):
        return torch.zeros_like(baseline)
    scale = spread(group.rewards, by_std=config.scale_by_std)
    return torch.where(within(group), (group.rewards[:, None] - baseline) / scale, 0.0)


@estimator
def path_mean(group: Group, config: AdvantageConfig) -> Tensor:
    """A token's credit is the mean reward of all rollouts whose path holds it, minus the prompt's mean, over its std.

    ARPO's "hard" credit.
    """
    if not has_signal(group.rewards):
        return torch.zeros(len(group.rewards), longest(group), dtype=group.rewards.dtype)
    shared_reward = mean_over(group.rewards, _shares(group))
    scale = spread(group.rewards, by_std=config.scale_by_std)
    return torch.where(within(group), (shared_reward - group.rewards.mean()) / scale, 0.0)


def same_sign(group: Group) -> bool:
    """Whether `equation` pushes all initial rollouts one way: equal initial rewards, differing branches, a gap."""
    initial, branches = group.rewards[group.initial], group.rewards[~group.initial]
    return not has_signal(initial) and has_signal(branches) and bool((initial.mean() - branches.mean()).abs() > 0)


def _branch_values(group: Group, config: AdvantageConfig) -> Tensor:
    """(R,) T_branch-normalised rewards of the branches; 0 for initial rollouts."""
    values = torch.zeros_like(group.rewards)
    values[~group.initial] = normalize(group.rewards[~group.initial], by_std=config.scale_by_std)
    return values


def _shares(group: Group) -> Tensor:
    """(R, R, L) True at [n, m, j] when m's path holds n's policy token j."""
    return torch.arange(longest(group)) < shared_prefix(group)[..., None]
