"""Trees to rows: masks follow authors, identities follow rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from appo_agent.algorithms.group import meetings_of
from appo_agent.batch import Batch, SampleKey, group_of, place_on_actions, sample_of
from appo_agent.types import Rollout, TokenSpan, Turn
from tests.appo_agent.test_types import tree


def batch() -> Batch:
    grown = tree()
    return Batch.from_samples([sample_of(3, grown, rollout) for rollout in grown])


def test_rows_hold_the_path_and_mark_own_policy_tokens() -> None:
    # Paths (see `tree`), without the last, empty observation: prompt 100, then policy and env tokens in turn.
    rows = batch()
    assert rows.keys == (SampleKey(3, "0"), SampleKey(3, "0.0"), SampleKey(3, "0.0.0"))
    assert rows.token_ids.tolist() == [
        [100, 1, 2, 3, 10, 4, 5, 0, 0, 0, 0],
        [100, 1, 2, 3, 10, 4, 6, 7, 8, 11, 9],
        [100, 1, 2, 3, 10, 4, 6, 12, 0, 0, 0],
    ]
    own = [
        [t for t, is_own in zip(ids, mask, strict=True) if is_own]
        for ids, mask in zip(rows.token_ids.tolist(), rows.action_mask.tolist(), strict=True)
    ]
    assert own == [[1, 2, 3, 4, 5], [6, 7, 8, 9], [12]]
    assert rows.attention_mask.sum(1).tolist() == [7, 11, 8]
    assert rows.inherited.tolist() == [0, 4, 5]


def test_behaviour_log_probs_stand_at_their_tokens_after_tool_results() -> None:
    # `policy` gives the k-th token of a span the log-prob -k.
    assert batch().behavior_logprobs.tolist() == [
        [0, -1, -2, -3, 0, -1, -2, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, -1, -2, -3, 0, -1],
        [0, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0],
    ]


def test_select_and_concat_act_on_every_tensor() -> None:
    rows = batch()
    picked = rows.select([2, 0])
    assert [key.rollout for key in picked.keys] == ["0.0.0", "0"]
    assert picked.token_ids.shape == picked.action_mask.shape == (2, 8)
    assert picked.inherited.tolist() == [5, 0]
    parts = [rows.select([0, 1]), rows.select([2])]
    joined = Batch.concat(parts)
    assert joined.keys == rows.keys
    for name, value in rows._tensors():
        assert torch.equal(getattr(joined, name), value), name
    assert rows.to("cpu").keys == rows.keys


def test_micro_batches_hold_rows_of_like_length() -> None:
    rows = batch().select([2, 0, 1])
    assert rows.attention_mask.sum(1).tolist() == [8, 7, 11]
    assert rows.micro_batches(max_tokens=33) == [[0, 1, 2]]
    assert rows.micro_batches(max_tokens=32) == [[2, 0], [1]]
    assert rows.micro_batches(max_tokens=22) == [[2, 0], [1]]
    assert rows.micro_batches(max_tokens=16) == [[2], [0, 1]]
    assert rows.micro_batches(max_tokens=1) == [[2], [0], [1]]


def test_the_group_of_a_nested_tree() -> None:
    group = group_of(tree())
    assert group.rewards.tolist() == [1.0, 0.0, 0.0]
    assert group.parent.tolist() == [-1, 0, 1]
    assert group.branch_at.tolist() == [-1, 4, 5]
    assert group.lengths.tolist() == [5, 8, 6]


def test_rollouts_meet_until_either_side_says_something_else() -> None:
    def policy(words: list[int]) -> TokenSpan:
        return TokenSpan("policy", np.array(words), np.zeros(len(words), np.float32))

    def said(name: str, first: list[int], observed: list[int], second: list[int]) -> Rollout:
        turns = [
            Turn(policy(first), TokenSpan("env", np.array(observed)), 0.0),
            Turn(policy(second), TokenSpan("env", np.array([0])), 1.0),
        ]
        return Rollout(name, tuple(turns), None, True, False, 0)

    rollouts = [
        said("a", [1, 2], [5], [3, 4]),
        said("alike", [1, 2], [5], [3, 4]),
        said("chose otherwise", [1, 2], [5], [3, 9]),
        said("saw something else", [1, 2], [6], [3, 4]),
        said("began otherwise", [7, 2], [5], [3, 4]),
        # Where it was the environment's turn, "a" went on.
        said("stopped sooner", [1], [2], [5, 3]),
        said("was cut", [1, 2], [5], [3]),
    ]
    made = group_of(replace(tree(), rollouts=tuple(rollouts)))
    together, agreed = meetings_of(made)
    assert together[0].tolist() == [4, 4, 4, 2, 1, 1, 3]
    assert together[5].tolist() == [1, 1, 1, 1, 1, 3, 1]
    assert agreed[0].tolist() == [4, 4, 3, 2, 0, 1, 3]
    assert torch.equal(together, together.T) and torch.equal(agreed, agreed.T)


def test_a_branch_is_in_its_parents_states_up_to_its_branch_point() -> None:
    made = group_of(tree())
    together = meetings_of(made).together
    for row, (parent, at) in enumerate(zip(made.parent.tolist(), made.branch_at.tolist(), strict=True)):
        assert together[row, row] == made.lengths[row]
        assert parent < 0 or together[row, parent] > at


def test_path_values_land_on_the_rows_own_tokens() -> None:
    values = [torch.arange(8.0) + 10 * row for row in range(3)]
    placed = place_on_actions(batch(), values)
    own = [placed[row][batch().action_mask[row]].tolist() for row in range(3)]
    # Row 1 inherits 4 policy tokens, so its own tokens are the 4th to 7th of its path; row 2 has the 5th alone.
    assert own == [[0, 1, 2, 3, 4], [14, 15, 16, 17], [25]]
    assert not placed[~batch().action_mask].any()


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        Batch.from_samples([])
    assert np.isfinite(batch().behavior_logprobs.numpy()).all()
