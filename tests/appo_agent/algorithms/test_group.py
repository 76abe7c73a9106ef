"""The shape of a group: a branch leaves its parent at a token that its parent's path has."""

import pytest
import torch

from appo_agent.algorithms.advantages import ESTIMATORS
from appo_agent.algorithms.group import Group, shared_prefix


def one_branch(*, at: int, length: int) -> Group:
    """A rollout of 3 tokens and a branch that leaves it at `at` and is `length` tokens long."""
    return Group(torch.tensor([0.0, 1.0]), torch.tensor([-1, 0]), torch.tensor([-1, at]), torch.tensor([3, length]))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_branch_shares_the_tokens_before_its_point(at: int) -> None:
    assert shared_prefix(one_branch(at=at, length=5)).tolist() == [[3, at], [at, 5]]


@pytest.mark.parametrize(("at", "length"), [(3, 5), (-1, 5), (2, 1)])
def test_a_point_that_one_of_the_two_paths_does_not_reach_is_refused(at: int, length: int) -> None:
    impossible = one_branch(at=at, length=length)
    with pytest.raises(ValueError, match=rf"rollout 1 \({length} tokens\) leaves rollout 0 \(3 tokens\) at token {at}"):
        shared_prefix(impossible)
    for name in ("prefix", "path_mean"):
        with pytest.raises(ValueError, match="does not reach"):
            ESTIMATORS[name](impossible)
