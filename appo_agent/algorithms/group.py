"""A prompt's rollout tree as the advantage formulas see it: rewards, lengths, turns, words, and who left whom where."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NORMALIZE_EPS = 1e-6
NO_SIGNAL_BELOW = 1e-3
"""A group whose rewards have a smaller population standard deviation says nothing."""


class Turns(NamedTuple):
    """The turns of every rollout's whole path, U the most turns of a path.

    Attributes:
        starts: (R, U) int64, index, in policy tokens of the path, of each turn's first token; -1 beyond the last turn.
        states: (R, U) int64, what the environment had said just before each turn: equal numbers for equal texts; -1
            beyond.
        rewards: (R, U) reward of each turn; 0 beyond.
    """

    starts: Tensor
    states: Tensor
    rewards: Tensor


class Meetings(NamedTuple):
    """Where two rollouts are in the same state: all that was said so far, by both sides, is equal.

    Attributes:
        together: (R, R) int64, leading policy tokens before each of which the two paths are equal; symmetric, the
            diagonal holds the lengths.
        agreed: (R, R) int64, leading policy tokens that are equal too: as many, or all but the last of them.
    """

    together: Tensor
    agreed: Tensor


class Group(NamedTuple):
    """All rollouts of one prompt, parents before their branches.

    Attributes:
        rewards: (R,) reward of each whole path.
        parent: (R,) int64, index of the rollout that a branch left; -1 for an initial rollout.
        branch_at: (R,) int64, index, in policy tokens of the whole path, of the token drawn again; -1 for initial.
        lengths: (R,) int64, policy tokens of the whole path.
        turns: what formulas over turns read; None where none does.
        words: (R, W) int64, what formulas over states read: all tokens between the prompt and the policy's last, of
            both sides, twice their ids and one more if the policy wrote them; -1 beyond. None where none does.
    """

    rewards: Tensor
    parent: Tensor
    branch_at: Tensor
    lengths: Tensor
    turns: Turns | None = None
    words: Tensor | None = None

    @property
    def initial(self) -> Tensor:
        """(R,) True for initial rollouts."""
        return self.parent < 0

    @property
    def roots(self) -> Tensor:
        """(R,) int64, index of the initial rollout that each one descends from."""
        roots = torch.arange(len(self.parent))
        for row, parent in enumerate(self.parent.tolist()):
            if parent >= 0:
                roots[row] = roots[parent]
        return roots


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


def normalize(rewards: Tensor, *, by_std: bool = True) -> Tensor:
    """(R_n - mean) / (population std + 1e-6), or R_n - mean; zeros where the group has no signal."""
    if not has_signal(rewards):
        return torch.zeros_like(rewards)
    return (rewards - rewards.mean()) / spread(rewards, by_std=by_std)


def spread(rewards: Tensor, *, by_std: bool = True) -> Tensor:
    """What advantages of a group are divided by, a scalar: population std + 1e-6, or 1."""
    return rewards.std(unbiased=False) + NORMALIZE_EPS if by_std else torch.ones((), dtype=rewards.dtype)


def longest(group: Group) -> int:
    """L, policy tokens of the longest path."""
    return int(group.lengths.max())


def within(group: Group) -> Tensor:
    """(R, L) True at policy tokens that exist."""
    return torch.arange(longest(group))[None] < group.lengths[:, None]


def whole_rows(group: Group, values: Tensor) -> Tensor:
    """(R,) values spread over all policy tokens of each path, (R, L); 0 beyond."""
    return torch.where(within(group), values[:, None], torch.zeros((), dtype=values.dtype))


def turns_of(group: Group) -> Turns:
    """The group's turns.

    Raises:
        ValueError: the group was made without them.
    """
    if group.turns is None:
        raise ValueError("this advantage is a formula over turns, but the group was made without its turns")
    return group.turns


def meetings_of(group: Group) -> Meetings:
    """Where the group's rollouts are in the same state.

    Raises:
        ValueError: the group was made without its words.
    """
    words = group.words
    if words is None:
        raise ValueError("this advantage is a formula over states, but the group was made without its words")
    by_policy = torch.nn.functional.pad((words % 2 == 1) & (words >= 0), (0, 1))
    # A row at a time: all pairs of long paths at once take gigabytes.
    equal = torch.stack([(words == row).to(torch.uint8).cumprod(1).sum(1) for row in words])
    agreed = (by_policy.cumsum(1) - by_policy.long()).gather(1, equal)
    chose = by_policy.gather(1, equal)
    return Meetings(together=agreed + (chose & chose.T), agreed=agreed)


def mean_over(values: Tensor, members: Tensor) -> Tensor:
    """(R, L) mean of values[m] over the m with members[n, m, j]; 0 where there is none."""
    weights = members.to(values.dtype)
    return torch.einsum("nmj,m->nj", weights, values) / weights.sum(1).clamp(min=1)


def spread_over_turns(group: Group, values: Tensor) -> Tensor:
    """(R, U) values of turns to their policy tokens, (R, L); 0 beyond each path."""
    starts = turns_of(group).starts
    place = torch.arange(longest(group))
    # The turn of a token is the last one that starts at or before it.
    turn = ((starts[:, :, None] <= place) & (starts >= 0)[:, :, None]).sum(1) - 1
    return torch.where(within(group), values.gather(1, turn.clamp(min=0)), torch.zeros((), dtype=values.dtype))
