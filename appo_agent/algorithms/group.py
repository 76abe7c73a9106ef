"""A prompt's rollout tree as the advantage formulas see it: rewards, lengths and who left whom where."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NORMALIZE_EPS = 1e-6
NO_SIGNAL_BELOW = 1e-3
"""A group whose rewards have a smaller population standard deviation says nothing."""


class Group(NamedTuple):
    """All rollouts of one prompt, parents before their branches.

    Attributes:
        rewards: (R,) outcome rewards.
        parent: (R,) int64, index of the rollout that a branch left; -1 for an initial rollout.
        branch_at: (R,) int64, index, in policy tokens of the whole path, of the token drawn again; -1 for initial.
        lengths: (R,) int64, policy tokens of the whole path.
    """

    rewards: Tensor
    parent: Tensor
    branch_at: Tensor
    lengths: Tensor

    @property
    def initial(self) -> Tensor:
        """(R,) True for initial rollouts."""
        return self.parent < 0


def shared_prefix(group: Group) -> Tensor:
    """How many leading policy tokens two paths share, (R, R) int64; the diagonal holds the lengths.

    A branch's path is its parent's up to the branch point, then its own tokens, which no earlier rollout has.

    Raises:
        ValueError: a branch comes before its parent, or its point is no token of the parent's path or lies beyond the
            branch's own.
    """
    total = len(group.rewards)
    shared = torch.zeros(total, total, dtype=torch.long)
    for row in range(total):
        parent = int(group.parent[row])
        if parent >= 0:
            if parent >= row:
                raise ValueError(f"rollout {row} comes before its parent {parent}")
            at, length = int(group.branch_at[row]), int(group.lengths[row])
            if not 0 <= at < group.lengths[parent] or at > length:
                raise ValueError(
                    f"rollout {row} ({length} tokens) leaves rollout {parent} ({int(group.lengths[parent])} tokens) at "
                    f"token {at}, which one of the two paths does not reach"
                )
            inherited = shared[parent, :row].clamp(max=at)
            shared[row, :row], shared[:row, row] = inherited, inherited
        shared[row, row] = group.lengths[row]
    return shared


def has_signal(rewards: Tensor) -> bool:
    """At least two rewards that differ (population standard deviation of 1e-3 or more)."""
    return len(rewards) >= 2 and float(rewards.double().std(unbiased=False)) >= NO_SIGNAL_BELOW


def normalize(rewards: Tensor) -> Tensor:
    """(R_n - mean) / (population std + 1e-6); zeros where the group has no signal."""
    if not has_signal(rewards):
        return torch.zeros_like(rewards)
    return (rewards - rewards.mean()) / (rewards.std(unbiased=False) + NORMALIZE_EPS)
