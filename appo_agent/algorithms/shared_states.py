"""Credit for what a choice changed: the value of the state it led to, minus that of the state it was made in.

Rollouts of a prompt meet: before their first difference they are in the same state, a branch and its trunk up to the
branch point, and independent rollouts wherever they happened to say the same. All of them are draws of what follows, so
values need no network, they are backed up through the tree that the rollouts form:
    V(after the last token) = mean reward of the rollouts that ended there
    V(s_j) = mean of V(s_{j+1}) over the rollouts drawn from s_j or before it that were in s_j
    A_j = (V(s_{j+1}) - V(s_j)) / std(R)
A token that everyone in its state chose gets nothing, so neither does a rollout that is alone: the credit of an outcome
goes to the choices that led there, and a path's credit adds up to its last value minus V(s_0). A branch adds a draw
exactly where its criterion saw a choice. It counts for states from its branch point on; before that its path is its
parent's, and no second draw, but its reward makes the values there less noisy.

An option of ours (`advantage.estimator = "shared_states"`), not in APPO's paper. VinePPO (arXiv 2410.01679) draws
continuations for such values alone and trains on none of them; GiGPO (arXiv 2505.10978) compares turns, not tokens;
Tree-GRPO (arXiv 2509.21240) compares whole paths.
"""

import torch
from torch import Tensor

from appo_agent.algorithms.advantages import AdvantageConfig, estimator
from appo_agent.algorithms.group import Group, has_signal, longest, mean_over, same_words, shared_lengths, spread


@estimator
def shared_states(group: Group, config: AdvantageConfig) -> Tensor:
    """(V(s_{j+1}) - V(s_j)) / std(R), values backed up through the states that rollouts share.

    Raises:
        ValueError: the group was made without its words.
    """
    together = shared_lengths(group)
    credit = torch.zeros(len(group.rewards), longest(group), dtype=group.rewards.dtype)
    if not has_signal(group.rewards):
        return credit
    value = mean_over(group.rewards, same_words(group)[..., None])[:, 0]
    # Values change where somebody leaves, ends or begins, and nowhere else.
    changes = torch.cat([together.flatten(), group.branch_at]).unique() - 1
    for place in reversed(changes[changes >= 0].tolist()):
        drawn = (place < together) & (group.branch_at <= place)
        before = torch.where(place < group.lengths, mean_over(value, drawn[..., None])[:, 0], value)
        credit[:, place] = value - before
        value = before
    return credit / spread(group.rewards, by_std=config.scale_by_std)
