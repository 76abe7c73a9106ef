"""What must not change an advantage, whichever estimator: shift, scale, order, and the length of other rows."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from appo_agent.algorithms.advantages import ESTIMATORS, AdvantageConfig
from appo_agent.algorithms.group import Group, Turns
from tests.appo_agent.algorithms.groups import trees_with_turns

NAMES = sorted(ESTIMATORS)
SHIFTED = [name for name in NAMES if name not in ("reward", "turn_values")]
CONFIG = AdvantageConfig(turn_discount=1.0)


def rewarded(made: Group, rewards: torch.Tensor) -> Group:
    """The group with other rewards, all of them for the last turn."""
    turns = made.turns
    assert turns is not None
    values = torch.zeros(turns.rewards.shape, dtype=rewards.dtype)
    values[torch.arange(len(rewards)), (turns.starts >= 0).sum(1) - 1] = rewards
    return made._replace(rewards=rewards, turns=turns._replace(rewards=values))


def permuted(made: Group, order: list[int]) -> Group:
    """The same group with its rollouts in another order that keeps parents first."""
    turns, words = made.turns, made.words
    assert turns is not None and words is not None
    place = {row: index for index, row in enumerate(order)}
    parents = [place.get(int(made.parent[row]), -1) for row in order]
    return Group(
        made.rewards[order],
        torch.tensor(parents),
        made.branch_at[order],
        made.lengths[order],
        Turns(*(values[order] for values in turns)),
        words[order],
    )


@given(trees_with_turns(), st.sampled_from(SHIFTED), st.floats(-3, 3), st.floats(0.5, 4))
def test_shifting_and_scaling_rewards_changes_no_advantage(made: Group, name: str, shift: float, scale: float) -> None:
    rewards = made.rewards.double()
    before = ESTIMATORS[name](rewarded(made, rewards), CONFIG)
    after = ESTIMATORS[name](rewarded(made, rewards * scale + shift), CONFIG)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


@given(trees_with_turns(), st.sampled_from(NAMES), st.floats(0.5, 4))
def test_without_the_standard_deviation_advantages_scale_with_the_rewards(made: Group, name: str, scale: float) -> None:
    rewards = made.rewards.double()
    plain = AdvantageConfig(scale_by_std=False)
    before = ESTIMATORS[name](rewarded(made, rewards), plain)
    after = ESTIMATORS[name](rewarded(made, rewards * scale), plain)
    torch.testing.assert_close(after, before * scale, atol=1e-6, rtol=1e-6)


@given(trees_with_turns(), st.sampled_from(NAMES), st.randoms())
def test_the_order_of_the_rollouts_does_not_matter(made: Group, name: str, random) -> None:
    order: list[int] = []
    waiting = list(range(len(made.rewards)))
    random.shuffle(waiting)
    while waiting:
        ready = next(row for row in waiting if int(made.parent[row]) in (-1, *order))
        waiting.remove(ready)
        order.append(ready)
    straight = ESTIMATORS[name](made, CONFIG)
    torch.testing.assert_close(ESTIMATORS[name](permuted(made, order), CONFIG), straight[order], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@given(trees_with_turns())
def test_nothing_is_credited_beyond_a_path_and_nothing_is_not_a_number(name: str, made: Group) -> None:
    values = ESTIMATORS[name](made, CONFIG)
    assert values.shape == (len(made.rewards), int(made.lengths.max()))
    beyond = torch.arange(values.shape[1])[None] >= made.lengths[:, None]
    assert not values[beyond].any() and bool(values.isfinite().all())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "reward"])
@given(made=trees_with_turns(), reward=st.sampled_from([-1.0, 0.0, 1.0]))
def test_equal_rewards_teach_nothing(name: str, made: Group, reward: float) -> None:
    equal = rewarded(made, torch.full_like(made.rewards, reward))
    assert not ESTIMATORS[name](equal, CONFIG).any()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "reward"])
def test_a_policy_of_one_token_alone_has_no_advantage(name: str) -> None:
    one = torch.zeros(1, 1, dtype=torch.long)
    alone = Group(torch.ones(1), one[0] - 1, one[0] - 1, one[0] + 1, Turns(one, one, torch.ones(1, 1)), one + 1)
    assert ESTIMATORS[name](alone, CONFIG).tolist() == [[0.0]]
