"""Credit among the rollouts that meet: worked trees, a slow oracle, and the limits that words promise."""

import pytest
import torch
from hypothesis import given

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.group import Group, has_signal, meetings_of
from appo_agent.algorithms.shared_states import shared_states
from tests.appo_agent.algorithms.groups import close, group, independent, some_rows, trees_with_turns, with_paths

PLAIN = AdvantageConfig(scale_by_std=False)


def test_a_choice_is_credited_with_what_it_changed() -> None:
    # Rewards 1 0 0, all there at first: V = 1/3. Q(7) = 1/2, Q(8) = 0. Among the two that said 7, V = 1/2; 1 goes on
    # with Q = 1, 2 with Q = 0. The third is alone.
    made = with_paths(independent([1.0, 0.0, 0.0], 2), [[7, 1], [7, 2], [8, 3]])
    close(shared_states(made, PLAIN), [[1 / 2 - 1 / 3, 1 / 2], [1 / 2 - 1 / 3, -1 / 2], [-1 / 3, 0]])


def test_a_branch_counts_from_its_branch_point_on() -> None:
    # Rollouts 1 0; a branch of the first at token 1 that fails. At token 0 only the initial ones are draws: V = 1/2,
    # Q(7) = 1, Q(8) = 0. At token 1 V = 1/2 among trunk and branch: the trunk gains 1/2, the branch loses 1/2.
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 1], [2, 2, 2])
    made = with_paths(tree, [[7, 1], [8, 3], [7, 2]])
    close(shared_states(made, PLAIN), [[1 / 2, 1 / 2], [-1 / 2, 0], [1 / 2, -1 / 2]])


def test_a_branch_that_says_what_its_trunk_said_is_another_draw() -> None:
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 1], [3, 2, 3])
    made = with_paths(tree, [[7, 1, 4], [8, 3], [7, 1, 5]])
    close(shared_states(made, PLAIN), [[1 / 2, 0, 1 / 2], [-1 / 2, 0, 0], [1 / 2, 0, -1 / 2]])


def test_nobody_is_credited_before_a_branch_for_a_token_that_all_chose() -> None:
    # Alone until its branch at token 2: nothing was chosen before.
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 2], [3, 3, 3])
    made = with_paths(tree, [[7, 1, 5], [8, 3, 4], [7, 1, 6]])
    close(shared_states(made, PLAIN), [[1 / 2, 0, 1 / 2], [-1 / 2, 0, 0], [1 / 2, 0, -1 / 2]])
    made = with_paths(tree, [[7, 1, 5], [7, 1, 4], [7, 1, 6]])
    close(shared_states(made, PLAIN), [[0, 0, 2 / 3], [0, 0, -1 / 3], [0, 0, -1 / 3]])


def test_a_rollout_that_ends_where_another_goes_on_was_in_the_same_states() -> None:
    cut = group([1.0, 0.0, 0.0], [-1, -1, -1], [-1, -1, -1], [1, 2, 1])
    close(shared_states(with_paths(cut, [[7], [7, 1], [8]]), PLAIN), [[1 / 6, 0], [1 / 6, 0], [-1 / 3, 0]])


def test_what_everyone_says_gets_nothing_and_lone_rollouts_have_grpos_credit_on_their_first_token() -> None:
    apart = with_paths(independent([1.0, 0.0, 0.0, 1.0], 3), [[1, 9, 9], [2, 9, 9], [3, 9, 9], [4, 9, 9]])
    close(shared_states(apart, AdvantageConfig()), [[1, 0, 0], [-1, 0, 0], [-1, 0, 0], [1, 0, 0]])
    alike = with_paths(independent([1.0, 0.0, 0.0, 1.0], 3), [[1, 2, 3]] * 4)
    close(shared_states(alike, AdvantageConfig()), [[0, 0, 0]] * 4)


def test_rewards_that_are_all_equal_say_nothing() -> None:
    made = with_paths(independent([1.0, 1.0], 2), [[1, 2], [3, 4]])
    assert torch.equal(shared_states(made, AdvantageConfig()), torch.zeros(2, 2))


def test_a_group_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="without its words"):
        shared_states(independent([1.0, 0.0]), AdvantageConfig())


def oracle(made: Group) -> list[list[float]]:
    """As the words say it, one state at a time."""
    assert made.words is not None
    paths = [[word for word in row if word >= 0] for row in made.words.tolist()]
    rewards, starts = made.rewards.tolist(), made.branch_at.tolist()
    width = max(map(len, paths))
    rows = []
    for path in paths:
        credit = [0.0] * width
        for place in range(len(path)):
            there = [
                (reward, other[place] == path[place])
                for other, reward, start in zip(paths, rewards, starts, strict=True)
                if other[:place] == path[:place] and len(other) > place and start <= place
            ]
            chose = [reward for reward, same in there if same]
            # A branch is no draw before its branch point, but its parent is one, and chose the same.
            credit[place] = sum(chose) / len(chose) - sum(reward for reward, _ in there) / len(there)
        rows.append(credit)
    return rows


@given(trees_with_turns())
def test_against_the_slow_oracle(made: Group) -> None:
    if has_signal(made.rewards):
        close(shared_states(made, PLAIN), oracle(made))


@given(trees_with_turns())
def test_draws_from_a_state_have_no_credit_on_average(made: Group) -> None:
    if not has_signal(made.rewards):
        return
    credit, together = shared_states(made, PLAIN), meetings_of(made).together
    for place in range(credit.shape[1]):
        drawn = (made.branch_at <= place) & (made.lengths > place)
        for row in drawn.nonzero()[:, 0].tolist():
            there = drawn & (together[row] > place)
            assert float(credit[there, place].mean()) == pytest.approx(0, abs=1e-5)


@given(trees_with_turns())
def test_credit_of_independent_rollouts_adds_up_to_what_the_rollout_was_above_the_mean(tree: Group) -> None:
    # Where no path is the beginning of a longer one, Q(s_j, a_j) is V(s_{j+1}), and the sum telescopes.
    made = some_rows(tree, tree.initial.nonzero()[:, 0].tolist())
    ended = meetings_of(made).agreed == made.lengths[:, None]
    cut_short = bool((ended & (made.lengths[:, None] < made.lengths)).any())
    if cut_short or not has_signal(made.rewards):
        return
    reached = torch.stack([made.rewards[alike].mean() for alike in ended])
    torch.testing.assert_close(shared_states(made, PLAIN).sum(1), reached - made.rewards.mean())
