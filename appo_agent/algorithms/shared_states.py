"""Credit from everyone who was in the same state: what a choice changed, estimated without a value network.

Rollouts of a prompt meet: before their first difference they are in the same state, a branch and its trunk up to the
branch point, and independent rollouts wherever they happened to say the same. All of them are draws of what follows:
    V(s_j) = mean reward of the rollouts, drawn from s_j or before it, that were in s_j
    Q(s_j, a_j) = mean reward of those of them that chose a_j
    A_j = (Q(s_j, a_j) - V(s_j)) / std(R)
A token that everyone chose gets nothing, and neither does one at which a rollout is alone: the credit of an outcome
goes to the choices that led there. A branch adds a draw exactly where its criterion saw a choice. It counts for states
from its branch point on; before that its path is its parent's, and no second draw.

An option of ours (`advantage.estimator = "shared_states"`), not in APPO's paper. VinePPO (arXiv 2410.01679) draws
continuations for such means alone and trains on none of them; GiGPO (arXiv 2505.10978) compares turns, not tokens.
Two things were tried and learned more slowly: backing values up through the branches, so that a trunk counts by the
mean of itself and its branches in the states before them too, and giving all tokens of a lone rollout the credit of the
choice with which it parted. Tokens without credit are held by nothing: long rollouts want a KL penalty beside it.
"""

import torch
from torch import Tensor

from appo_agent.algorithms.advantages import AdvantageConfig, estimator
from appo_agent.algorithms.group import Group, has_signal, longest, mean_over, meetings_of, spread, within


@estimator
def shared_states(group: Group, config: AdvantageConfig) -> Tensor:
    """(Q(s_j, a_j) - V(s_j)) / std(R), both means over the rollouts that meet in s_j.

    Raises:
        ValueError: the group was made without its words.
    """
    meetings = meetings_of(group)
    if not has_signal(group.rewards):
        return torch.zeros(len(group.rewards), longest(group), dtype=group.rewards.dtype)
    place = torch.arange(longest(group))
    drawn = group.branch_at[:, None] <= place
    value = mean_over(group.rewards, (place < meetings.together[..., None]) & drawn)
    after_choice = mean_over(group.rewards, (place < meetings.agreed[..., None]) & drawn)
    return torch.where(within(group), (after_choice - value) / spread(group.rewards, by_std=config.scale_by_std), 0.0)
