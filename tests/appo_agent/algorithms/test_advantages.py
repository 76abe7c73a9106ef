"""Every advantage reading: worked trees, a slow oracle, and the invariances that must hold."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from appo_agent.algorithms.advantages import (
    ESTIMATORS,
    AdvantageConfig,
    contrast,
    equation,
    future_aware,
    path_mean,
    prefix,
    same_sign,
    single,
)
from appo_agent.algorithms.group import Group, has_signal, normalize, shared_prefix


def group(rewards: list[float], parent: list[int], branch_at: list[int], lengths: list[int]) -> Group:
    return Group(torch.tensor(rewards), torch.tensor(parent), torch.tensor(branch_at), torch.tensor(lengths))


def worked() -> Group:
    """Two initial rollouts of 3 tokens, rewards 1 and 0; the first has branches at 1 (reward 0) and at 2 (reward 1).

    The branches' paths are 3 and 4 tokens long.
    """
    return group([1.0, 0.0, 0.0, 1.0], [-1, -1, 0, 0], [-1, -1, 1, 2], [3, 3, 3, 4])


def close(actual: torch.Tensor, expected: list[list[float]]) -> None:
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=actual.dtype), atol=1e-4, rtol=0)


def test_shared_prefixes_of_a_nested_tree() -> None:
    # 0 has 5 tokens. 1 leaves 0 at 3 (4 in all). 2 leaves 1 at 3, its first own token; 3 leaves 0 at 1; 4 is initial.
    tree = group([0.0] * 5, [-1, 0, 1, 0, -1], [-1, 3, 3, 1, -1], [5, 4, 6, 2, 7])
    assert shared_prefix(tree).tolist() == [
        [5, 3, 3, 1, 0],
        [3, 4, 3, 1, 0],
        [3, 3, 6, 1, 0],
        [1, 1, 1, 2, 0],
        [0, 0, 0, 0, 7],
    ]
    # A branch of a branch shares with the ancestor only up to where the middle one left it.
    deep = group([0.0] * 3, [-1, 0, 1], [-1, 2, 6], [5, 9, 8])
    assert shared_prefix(deep)[0].tolist() == [5, 2, 2] and shared_prefix(deep)[1].tolist() == [2, 9, 6]


def test_single_is_the_normalised_reward() -> None:
    # Rewards 1 0 0 1: mean 1/2, population std 1/2, so +1 and -1.
    close(single(worked()), [[1, 1, 1, 0], [-1, -1, -1, 0], [-1, -1, -1, 0], [1, 1, 1, 1]])


def test_equation_averages_both_groups() -> None:
    # T_init {1, 0} and T_branch {0, 1}: mean 1/2, std 1/2 each. Rollout 0: (1 + 1) / 2 = 1; rollout 1: -1.
    close(equation(worked()), [[1, 1, 1, 0], [-1, -1, -1, 0], [-1, -1, -1, 0], [1, 1, 1, 1]])
    # T_init {1, 0}, T_branch {1, 1, 0}: mean 2/3, std sqrt(2/9) = 0.47140.
    # Rollout 0: ((1 - .5)/.5 + (1 - 2/3)/.4714)/2 = (1 + .70711)/2 = .85355; rollout 1: (-1 - 1.41421)/2 = -1.20711.
    uneven = group([1.0, 0.0, 1.0, 1.0, 0.0], [-1, -1, 0, 0, 1], [-1, -1, 0, 1, 0], [2, 2, 2, 2, 2])
    close(equation(uneven)[:2], [[0.85355, 0.85355], [-1.20711, -1.20711]])
    # Branches carry T_branch alone: (1 - 2/3)/.4714 = .70711, (0 - 2/3)/.4714 = -1.41421.
    close(equation(uneven)[2:, 0:1], [[0.70711], [0.70711], [-1.41421]])


def test_groups_without_signal_drop_out_of_the_average() -> None:
    # T_branch {1, 1} says nothing: only T_init is left.
    close(
        equation(group([1.0, 0.0, 1.0, 1.0], [-1, -1, 0, 0], [-1, -1, 0, 0], [1, 1, 1, 1])),
        [[1.0], [-1.0], [0.0], [0.0]],
    )
    # T_init {1, 1} says nothing: only T_branch {0, 1} is left, and both initial rollouts get +1: the same sign.
    lopsided = group([1.0, 1.0, 0.0, 1.0], [-1, -1, 0, 0], [-1, -1, 0, 0], [1, 1, 1, 1])
    close(equation(lopsided), [[1.0], [1.0], [-1.0], [1.0]])
    assert same_sign(lopsided) and not same_sign(worked())
    equal = group([1.0, 1.0, 1.0], [-1, -1, 0], [-1, -1, 0], [1, 1, 1])
    assert not same_sign(equal)
    for estimate in ESTIMATORS.values():
        assert torch.equal(estimate(equal), torch.zeros(3, 1))


def test_prefix_adds_the_branches_that_leave_later() -> None:
    # Own advantage +1 for rollout 0 (T_init {1, 0}). T_branch advantages: branch at 1: -1, branch at 2: +1.
    # Token 0 lies before both points: 1 + (-1 + 1)/2 = 1. Token 1 lies before the second alone: 1 + 1 = 2. Token 2: 1.
    close(prefix(worked()), [[1, 2, 1, 0], [-1, -1, -1, 0], [-1, -1, -1, 0], [1, 1, 1, 1]])


def test_a_branch_at_token_0_changes_no_advantage_under_prefix() -> None:
    without = group([1.0, 0.0], [-1, -1], [-1, -1], [3, 3])
    with_branches = group([1.0, 0.0, 0.0, 1.0], [-1, -1, 0, 1], [-1, -1, 0, 0], [3, 3, 3, 3])
    assert torch.equal(prefix(with_branches)[:2], prefix(without))


def test_contrast_compares_with_the_branches_at_the_same_token() -> None:
    # Rewards 1 0 0 1, std over the prompt 1/2. Rollout 0, token 0: baseline mean(T_init) = 1/2, (1 - .5)/.5 = 1;
    # from token 1 the baseline is the branch at 1 (reward 0): (1 - 0)/.5 = 2; from token 2 the branch at 2 (1): 0.
    # Rollout 1 has no branches: (0 - .5)/.5 = -1; so for branch 2: -1, branch 3: +1.
    close(contrast(worked()), [[1, 2, 0, 0], [-1, -1, -1, 0], [-1, -1, -1, 0], [1, 1, 1, 1]])


def test_path_mean_is_the_mean_reward_of_everyone_who_shares_the_token() -> None:
    # Prompt mean 1/2, std 1/2. Rollout 0's token 0 is shared by 0, 2, 3 with rewards 1, 0, 1: (2/3 - .5)/.5 = 1/3.
    # Token 1 by 0 and 3: (1 - .5)/.5 = 1. Token 2 by 0 alone: 1. Rollout 2: token 0 1/3, then its own 0: -1.
    third = 1 / 3
    close(path_mean(worked()), [[third, 1, 1, 0], [-1, -1, -1, 0], [third, -1, -1, 0], [third, 1, 1, 1]])


def test_a_nested_branch_credits_an_ancestor_only_up_to_where_its_path_left_it() -> None:
    # 1 leaves 0 at 1; 2 leaves 1 at 2. Rollout 0's token 0 is shared by all three, its token 1 by nobody else.
    nested = group([0.0, 0.0, 1.0], [-1, 0, 1], [-1, 1, 2], [2, 3, 3])
    scale = math.sqrt(2) / 3  # population std of 0 0 1
    mean = 1 / 3
    close(
        path_mean(nested),
        [
            [(1 / 3 - mean) / scale, (0 - mean) / scale, 0],
            [(1 / 3 - mean) / scale, (1 / 2 - mean) / scale, (0 - mean) / scale],
            [(1 / 3 - mean) / scale, (1 / 2 - mean) / scale, (1 - mean) / scale],
        ],
    )


@st.composite
def trees(draw: st.DrawFn) -> Group:
    """Random trees: up to three initial rollouts and four branches, of branches too."""
    initial = draw(st.integers(1, 3))
    parent, branch_at = [-1] * initial, [-1] * initial
    lengths = [draw(st.integers(1, 5)) for _ in range(initial)]
    for _ in range(draw(st.integers(0, 4))):
        up = draw(st.integers(0, len(parent) - 1))
        first = max(branch_at[up], 0)  # branch points lie in the parent's own tokens
        at = draw(st.integers(first, lengths[up] - 1))
        parent.append(up)
        branch_at.append(at)
        lengths.append(at + draw(st.integers(1, 4)))
    rewards = draw(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=len(parent), max_size=len(parent)))
    return group(rewards, parent, branch_at, lengths)


def tokens_of(tree: Group, row: int) -> list[tuple[int, int]]:
    """A rollout's path as (owner, index): two paths share a token exactly when these are equal."""
    up = int(tree.parent[row])
    head = tokens_of(tree, up)[: int(tree.branch_at[row])] if up >= 0 else []
    return head + [(row, index) for index in range(len(head), int(tree.lengths[row]))]


def statistics(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))


def oracle(name: str, tree: Group, row: int, token: int) -> float:
    """Each reading by its words, one token at a time."""
    rewards, parent = tree.rewards.tolist(), tree.parent.tolist()
    initial = [r for r, up in zip(rewards, parent, strict=True) if up < 0]
    branch = [r for r, up in zip(rewards, parent, strict=True) if up >= 0]

    def normalised(value: float, members: list[float]) -> float | None:
        if len(members) < 2 or statistics(members)[1] < 1e-3:
            return None
        mean, std = statistics(members)
        return (value - mean) / (std + 1e-6)

    whole = normalised(rewards[row], rewards)
    if name == "single":
        return whole or 0.0
    if name == "equation":
        if parent[row] >= 0:
            return normalised(rewards[row], branch) or 0.0
        terms = [t for t in (normalised(rewards[row], initial), normalised(rewards[row], branch)) if t is not None]
        return sum(terms) / len(terms) if terms else 0.0
    if name == "prefix":
        if parent[row] >= 0:
            return normalised(rewards[row], branch) or 0.0
        mine = tokens_of(tree, row)[token]
        later = [
            normalised(rewards[b], branch) or 0.0
            for b in range(len(rewards))
            if parent[b] >= 0 and mine in tokens_of(tree, b)
        ]
        return (normalised(rewards[row], initial) or 0.0) + (sum(later) / len(later) if later else 0.0)
    if whole is None:
        return 0.0
    scale = statistics(rewards)[1] + 1e-6
    if name == "path_mean":
        mine = tokens_of(tree, row)[token]
        shared = [rewards[r] for r in range(len(rewards)) if mine in tokens_of(tree, r)]
        return (sum(shared) / len(shared) - statistics(rewards)[0]) / scale
    points = [
        int(tree.branch_at[b]) for b in range(len(rewards)) if parent[b] == row and int(tree.branch_at[b]) <= token
    ]
    if not points:
        return (rewards[row] - sum(initial) / len(initial)) / scale
    here = [rewards[b] for b in range(len(rewards)) if parent[b] == row and int(tree.branch_at[b]) == max(points)]
    return (rewards[row] - sum(here) / len(here)) / scale


@given(trees(), st.sampled_from(sorted(ESTIMATORS)))
def test_every_reading_equals_its_words(tree: Group, name: str) -> None:
    values = ESTIMATORS[name](tree._replace(rewards=tree.rewards.double()))
    assert values.shape == (len(tree.rewards), int(tree.lengths.max()))
    for row in range(len(tree.rewards)):
        for token in range(values.shape[1]):
            inside = token < int(tree.lengths[row])
            expected = oracle(name, tree, row, token) if inside else 0.0
            assert float(values[row, token]) == pytest.approx(expected, abs=1e-5), (name, row, token)


@given(trees(), st.sampled_from(sorted(ESTIMATORS)), st.floats(-3, 3), st.floats(0.5, 4))
def test_shifting_and_scaling_rewards_changes_no_advantage(tree: Group, name: str, shift: float, scale: float) -> None:
    rewards = tree.rewards.double()
    before = ESTIMATORS[name](tree._replace(rewards=rewards))
    after = ESTIMATORS[name](tree._replace(rewards=rewards * scale + shift))
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


@given(st.lists(st.sampled_from([0.0, 1.0, 0.5]), min_size=2, max_size=6), st.randoms())
def test_the_order_of_independent_rollouts_does_not_matter(rewards: list[float], random) -> None:
    order = list(range(len(rewards)))
    random.shuffle(order)
    alone = [-1] * len(rewards)
    straight = single(group(rewards, alone, alone, [2] * len(rewards)))
    shuffled = single(group([rewards[i] for i in order], alone, alone, [2] * len(rewards)))
    torch.testing.assert_close(shuffled, straight[order])


def test_future_aware_scaling() -> None:
    # b = .5, clip [1, 1.2]: Omega .5 -> 1 -> factor 1.5; 1.1 -> 1.55; 2 -> 1.2 -> 1.6.
    base = torch.tensor([[1.0, -2.0, 1.0]])
    omega, ratio = torch.tensor([[0.5, 1.1, 2.0]], requires_grad=True), torch.ones(1, 3, requires_grad=True)
    scaled = future_aware(base, omega, ratio, AdvantageConfig())
    close(scaled, [[1.5, -3.1, 1.6]])
    assert not scaled.requires_grad
    # The ablation keeps the scale: factor 1 + b for all.
    close(future_aware(base, omega, ratio, AdvantageConfig(future_aware=False)), [[1.5, -3.0, 1.5]])
    close(future_aware(base, omega, ratio, AdvantageConfig(future_weight=0.0)), [[1.0, -2.0, 1.0]])
    # The public code's cap: negative advantage and ratio above 6.
    capped = AdvantageConfig(cap_negative_ratio_above=6.0)
    far = torch.tensor([[7.0, 7.0, 5.0]])
    close(future_aware(torch.tensor([[1.0, -1.0, -1.0]]), torch.full((1, 3), 1.2), far, capped), [[1.6, -1.5, -1.6]])


@given(st.integers(0, 9999), st.booleans(), st.sampled_from([0.0, 6.0]), st.floats(0, 2))
def test_future_aware_scaling_equals_a_slow_loop(seed: int, aware: bool, cap: float, weight: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    base, omega, ratio = (torch.randn(2, 5, generator=generator).double() for _ in range(3))
    omega, ratio = omega.exp(), (ratio * 2).exp()
    config = AdvantageConfig(future_weight=weight, future_aware=aware, cap_negative_ratio_above=cap)
    found = future_aware(base, omega, ratio, config)
    for b in range(2):
        for t in range(5):
            future = min(max(float(omega[b, t]), 1.0), 1.2) if aware else 1.0
            if cap and base[b, t] < 0 and ratio[b, t] > cap:
                future = min(future, 1.0)
            assert float(found[b, t]) == pytest.approx(float(base[b, t]) * (1 + weight * future))


def test_a_lone_token_and_a_lone_rollout_have_no_advantage() -> None:
    for estimate in ESTIMATORS.values():
        assert torch.equal(estimate(group([1.0], [-1], [-1], [1])), torch.zeros(1, 1))


def test_signal_needs_two_members_that_differ() -> None:
    assert not has_signal(torch.tensor([1.0])) and not has_signal(torch.tensor([]))
    assert not has_signal(torch.tensor([1.0, 1.0015])) and has_signal(torch.tensor([1.0, 1.0025]))
    assert torch.equal(normalize(torch.tensor([2.0, 2.0])), torch.zeros(2))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="future_clip must satisfy"):
        AdvantageConfig(future_clip=(1.2, 1.0))
    with pytest.raises(ValueError, match="must be 0 or more"):
        AdvantageConfig(future_weight=-0.1)
    with pytest.raises(ValueError, match="comes before its parent"):
        shared_prefix(group([0.0, 0.0], [1, -1], [0, -1], [1, 1]))
