"""Token spans keep authors and log-probs together; trees address tokens in a parent's own turns."""

import numpy as np
import pytest

from appo_agent.types import BranchPoint, Rollout, RolloutTree, TokenSpan, Turn
from appo_envs import Task


def policy(*ids: int) -> TokenSpan:
    return TokenSpan("policy", np.array(ids), -np.arange(1.0, len(ids) + 1))


def env(*ids: int) -> TokenSpan:
    return TokenSpan("env", np.array(ids, np.int64))


def rollout(name: str, turns: list[Turn], origin: BranchPoint | None = None) -> Rollout:
    return Rollout(name, tuple(turns), origin, True, False, 0)


def turn(action: TokenSpan, observation: TokenSpan, reward: float = 0.0) -> Turn:
    return Turn(action, observation, reward)


def tree() -> RolloutTree:
    """Rollout 0: [1 2 3] <10> [4 5]; 0.0 leaves it at token 5; 0.0.0 leaves 0.0 inside its partial first turn."""
    root = rollout("0", [turn(policy(1, 2, 3), env(10)), turn(policy(4, 5), env(), 1.0)])
    child = rollout("0.0", [turn(policy(6, 7, 8), env(11)), turn(policy(9), env())], BranchPoint("0", 1, 1, 0.5))
    grandchild = rollout("0.0.0", [turn(policy(12), env())], BranchPoint("0.0", 0, 1, 0.2))
    return RolloutTree(Task("t", "q", "a", {}), TokenSpan("prompt", np.array([100])), (root, child, grandchild))


def ids(spans: list[TokenSpan]) -> list[int]:
    return [int(i) for span in spans for i in span.token_ids]


def test_a_path_runs_from_the_prompt_through_every_ancestor() -> None:
    assert ids(tree().path("0")) == [100, 1, 2, 3, 10, 4, 5]
    assert ids(tree().path("0.0")) == [100, 1, 2, 3, 10, 4, 6, 7, 8, 11, 9]
    assert ids(tree().path("0.0.0")) == [100, 1, 2, 3, 10, 4, 6, 12]


def test_the_head_of_a_branched_turn_reaches_back_through_partial_turns() -> None:
    grandchild = tree().rollout("0.0.0")
    assert grandchild.origin is not None
    assert ids(tree().turn_head(grandchild.origin)) == [4, 6]
    assert ids(tree().turn_head(BranchPoint("0.0", 1, 0, 0.0))) == []


def test_inherited_policy_tokens_are_counted_along_the_path() -> None:
    grown = tree()
    assert [grown.path_policy_tokens_before(rollout) for rollout in grown] == [0, 4, 5]


def test_addresses_and_flat_indices_are_inverse() -> None:
    root = tree().rollout("0")
    assert [root.address(index) for index in range(5)] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert all(root.flat_index(*root.address(index)) == index for index in range(5))
    with pytest.raises(ValueError, match="has 5 policy tokens, asked for index 5"):
        root.address(5)


def test_a_branch_before_its_parent_or_a_repeated_id_is_refused() -> None:
    grown = tree()
    with pytest.raises(ValueError, match="comes before its parent"):
        RolloutTree(grown.task, grown.prompt, tuple(reversed(grown.rollouts)))
    with pytest.raises(ValueError, match="used twice"):
        grown.add([grown.rollout("0")])


def test_log_probs_exist_exactly_where_the_policy_wrote() -> None:
    with pytest.raises(ValueError, match="log-probs are missing"):
        TokenSpan("policy", np.array([1]))
    with pytest.raises(ValueError, match="log-probs are present"):
        TokenSpan("env", np.array([1]), np.array([-1.0]))
    with pytest.raises(ValueError, match="2 tokens but 1 log-probs"):
        TokenSpan("policy", np.array([1, 2]), np.array([-1.0]))
    for bad in (0.5, float("nan"), float("-inf")):
        with pytest.raises(ValueError, match="finite and at most 0"):
            TokenSpan("policy", np.array([1]), np.array([bad]))


def test_spans_are_read_only_copies() -> None:
    source = np.array([1, 2])
    span = TokenSpan("env", source)
    source[0] = 9
    assert span.token_ids.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        span.token_ids[0] = 5


def test_the_head_of_a_span_keeps_its_log_probs() -> None:
    head = policy(1, 2, 3).head(2)
    assert head.token_ids.tolist() == [1, 2]
    assert head.behavior_logprobs is not None and head.behavior_logprobs.tolist() == [-1.0, -2.0]
    with pytest.raises(ValueError, match="no head of 4"):
        policy(1, 2, 3).head(4)


def test_the_reward_is_the_sum_over_own_turns() -> None:
    assert [rollout.reward for rollout in tree()] == [1.0, 0.0, 0.0]
