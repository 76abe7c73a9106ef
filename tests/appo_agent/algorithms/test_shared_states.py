"""Credit among the rollouts that meet: worked trees, a slow oracle, and the limits that words promise."""

import pytest
import torch
from hypothesis import given

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.group import Group, has_signal, same_words
from appo_agent.algorithms.shared_states import shared_states
from tests.appo_agent.algorithms.groups import close, group, independent, some_rows, trees_with_turns, with_paths

PLAIN = AdvantageConfig(scale_by_std=False)


def test_a_choice_is_credited_with_what_it_changed() -> None:
    # Rewards 1 0 0. Two said 7: V = 1/2 after it, then 1 gains 1/2 and 2 loses as much. The third said 8: V = 0 after
    # it. Before the first token V = (1/2 + 1/2 + 0) / 3 = 1/3.
    made = with_paths(independent([1.0, 0.0, 0.0], 2), [[7, 1], [7, 2], [8, 3]])
    close(shared_states(made, PLAIN), [[1 / 2 - 1 / 3, 1 / 2], [1 / 2 - 1 / 3, -1 / 2], [-1 / 3, 0]])


def test_a_branch_is_a_draw_from_its_branch_point_and_corrects_the_values_before() -> None:
    # Rollouts 1 0; a branch of the first at token 1 that fails. After 7 there are two draws: V = 1/2, trunk and branch
    # gain and lose 1/2 there. Before token 0 only the initial ones are draws: V = (1/2 + 0) / 2 = 1/4.
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 1], [2, 2, 2])
    made = with_paths(tree, [[7, 1], [8, 3], [7, 2]])
    close(shared_states(made, PLAIN), [[1 / 4, 1 / 2], [-1 / 4, 0], [1 / 4, -1 / 2]])


def test_a_branch_that_says_what_its_trunk_said_is_another_draw() -> None:
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 1], [3, 2, 3])
    made = with_paths(tree, [[7, 1, 4], [8, 3], [7, 1, 5]])
    close(shared_states(made, PLAIN), [[1 / 4, 0, 1 / 2], [-1 / 4, 0, 0], [1 / 4, 0, -1 / 2]])


def test_nobody_is_credited_before_a_branch_for_a_token_that_all_chose() -> None:
    # Alone until its branch at token 2: nothing was chosen before.
    tree = group([1.0, 0.0, 0.0], [-1, -1, 0], [-1, -1, 2], [3, 3, 3])
    made = with_paths(tree, [[7, 1, 5], [8, 3, 4], [7, 1, 6]])
    close(shared_states(made, PLAIN), [[1 / 4, 0, 1 / 2], [-1 / 4, 0, 0], [1 / 4, 0, -1 / 2]])
    made = with_paths(tree, [[7, 1, 5], [7, 1, 4], [7, 1, 6]])
    close(shared_states(made, PLAIN), [[0, 0, 2 / 3], [0, 0, -1 / 3], [0, 0, -1 / 3]])


def test_a_rollout_that_ends_where_another_goes_on_was_in_the_same_states() -> None:
    cut = group([1.0, 0.0], [-1, -1], [-1, -1], [1, 2])
    close(shared_states(with_paths(cut, [[7], [7, 1]]), PLAIN), [[1 / 2, 0], [-1 / 2, 0]])


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
    """As the words say it: values of what has been said, by recursion, one state at a time."""
    assert made.words is not None
    paths = [tuple(word for word in row if word >= 0) for row in made.words.tolist()]
    rewards, starts = made.rewards.tolist(), made.branch_at.tolist()

    def after(path: tuple[int, ...], place: int) -> float:
        if place < len(path):
            return value(path[:place])
        alike = [reward for other, reward in zip(paths, rewards, strict=True) if other == path]
        return sum(alike) / len(alike)

    def value(said: tuple[int, ...]) -> float:
        at = len(said)
        draws = [
            after(path, at + 1)
            for path, start in zip(paths, starts, strict=True)
            if path[:at] == said and len(path) > at and start <= at
        ]
        return sum(draws) / len(draws)

    width = max(map(len, paths))
    return [
        [after(path, place + 1) - value(path[:place]) for place in range(len(path))] + [0.0] * (width - len(path))
        for path in paths
    ]


@given(trees_with_turns())
def test_against_the_slow_oracle(made: Group) -> None:
    if has_signal(made.rewards):
        close(shared_states(made, PLAIN), oracle(made))


@given(trees_with_turns())
def test_credit_of_a_path_adds_up_to_its_end_above_the_first_value(made: Group) -> None:
    if has_signal(made.rewards):
        ends = torch.stack([made.rewards[alike].mean() for alike in same_words(made)])
        first = ends - shared_states(made, PLAIN).sum(1)
        torch.testing.assert_close(first, first.mean().expand_as(first), atol=1e-5, rtol=0)


@given(trees_with_turns())
def test_independent_rollouts_are_measured_by_their_mean(tree: Group) -> None:
    made = some_rows(tree, tree.initial.nonzero()[:, 0].tolist())
    if has_signal(made.rewards):
        total = shared_states(made, PLAIN).sum(1)
        assert float(total.mean()) == pytest.approx(0, abs=1e-5)
