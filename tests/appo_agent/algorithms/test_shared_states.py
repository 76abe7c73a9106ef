"""Credit among the rollouts that meet: worked trees, a slow oracle, and the limits that words promise."""

import pytest
import torch
from hypothesis import given

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.group import Group
from appo_agent.algorithms.shared_states import shared_states
from tests.appo_agent.algorithms.groups import close, group, independent, some_rows, trees_with_turns, with_paths

PLAIN = AdvantageConfig(scale_by_std=False)


def test_a_choice_is_credited_with_what_it_changed() -> None:
    # Rewards 1 0 0, all at 7 first: V = 1/3, Q(7) = 1/3. Then 1 goes on with 1 (Q = 1), 2 with 2 (Q = 0), V = 1/2 among
    # the two that said 7; the third began with 8: Q = 0, and was alone from then on.
    made = with_paths(independent([1.0, 0.0, 0.0], 2), [[7, 1], [7, 2], [8, 3]])
    close(shared_states(made, PLAIN), [[1 / 2 - 1 / 3, 1 / 2], [1 / 2 - 1 / 3, -1 / 2], [-1 / 3, 0]])


def test_a_branch_counts_from_its_branch_point_on() -> None:
    # Rollouts 1 0; a branch of the first at token 1 that fails. At token 0 only the initial ones are draws: V = 1/2.
    # The first chose 7, after which there are two draws, 1 and 0: Q = 1/2, so 0; the second chose 8: Q = 0, so -1/2.
    # At token 1 V = 1/2 among trunk and branch: the trunk gains 1/2, the branch loses 1/2.
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 1], [2, 2, 2])
    made = with_paths(tree, [[7, 1], [8, 3], [7, 2]])
    close(shared_states(made, PLAIN), [[0, 1 / 2], [-1 / 2, 0], [0, -1 / 2]])


def test_a_branch_that_says_what_its_trunk_said_is_another_draw() -> None:
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 1], [2, 2, 2])
    made = with_paths(tree, [[7, 1], [8, 3], [7, 1]])
    close(shared_states(made, PLAIN), [[0, 0], [-1 / 2, 0], [0, 0]])


def test_what_everyone_says_gets_nothing_and_lone_rollouts_have_grpos_credit_on_their_first_token() -> None:
    apart = with_paths(independent([1.0, 0.0, 0.0, 1.0], 3), [[1, 9, 9], [2, 9, 9], [3, 9, 9], [4, 9, 9]])
    close(shared_states(apart, AdvantageConfig()), [[1, 0, 0], [-1, 0, 0], [-1, 0, 0], [1, 0, 0]])
    alike = with_paths(independent([1.0, 0.0, 0.0, 1.0], 3), [[1, 2, 3]] * 4)
    close(shared_states(alike, AdvantageConfig()), [[0, 0, 0]] * 4)


def test_rewards_that_are_all_equal_say_nothing() -> None:
    made = with_paths(independent([1.0, 1.0], 2), [[1, 2], [3, 4]])
    assert torch.equal(shared_states(made, AdvantageConfig()), torch.zeros(2, 2))


def test_a_group_without_meetings_is_refused() -> None:
    with pytest.raises(ValueError, match="without its meetings"):
        shared_states(independent([1.0, 0.0]), AdvantageConfig())


def oracle(made: Group) -> list[list[float]]:
    """As the words say it, one token at a time."""
    assert made.meetings is not None
    together, agreed = made.meetings.together.tolist(), made.meetings.agreed.tolist()
    rewards, start = made.rewards.tolist(), made.branch_at.tolist()
    everyone = range(len(rewards))
    rows = []
    for row, length in enumerate(made.lengths.tolist()):
        credit = []
        for place in range(int(made.lengths.max())):
            there = [rewards[m] for m in everyone if place < together[row][m] and start[m] <= place]
            chose = [rewards[m] for m in everyone if place < agreed[row][m] and start[m] <= place + 1]
            value = sum(there) / len(there) if there else 0.0
            credit.append((sum(chose) / len(chose) if chose else 0.0) - value if place < length else 0.0)
        rows.append(credit)
    return rows


@given(trees_with_turns())
def test_against_the_slow_oracle(made: Group) -> None:
    if float(made.rewards.std(unbiased=False)) >= 1e-3:
        close(shared_states(made, PLAIN), oracle(made))


@given(trees_with_turns())
def test_credit_of_independent_rollouts_adds_up_to_what_the_rollout_was_above_the_mean(tree: Group) -> None:
    # Where no path is the beginning of a longer one, Q(s_j, a_j) is V(s_{j+1}), and the sum telescopes.
    made = some_rows(tree, tree.initial.nonzero()[:, 0].tolist())
    assert made.meetings is not None
    ended = made.meetings.agreed == made.lengths[:, None]
    cut_short = bool((ended & (made.lengths[:, None] < made.lengths)).any())
    if cut_short or float(made.rewards.std(unbiased=False)) < 1e-3:
        return
    reached = torch.stack([made.rewards[alike].mean() for alike in ended])
    torch.testing.assert_close(shared_states(made, PLAIN).sum(1), reached - made.rewards.mean())
