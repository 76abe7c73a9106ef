import sys

import numpy as np
import pytest

from appo_agent.analysis.diagnose.clusters import branch_map
from appo_agent.errors import ConfigError
from appo_agent.types import BranchPoint, Rollout, RolloutTree, TokenSpan, Turn
from appo_envs import Task

PROMPT = TokenSpan("prompt", np.array([1]))


def branch(number: int, tokens: list[int], reward: float = 0.0) -> Rollout:
    action = TokenSpan("policy", np.array(tokens), np.zeros(len(tokens), np.float32))
    turn = Turn(action, TokenSpan("env", np.array([], np.int64)), reward)
    return Rollout(f"0.{number}", (turn,), BranchPoint("0", 0, 0, 0.0), True, False, 0)


def tree(*branches: Rollout) -> RolloutTree:
    action = TokenSpan("policy", np.array([5, 6]), np.zeros(2, np.float32))
    root = Rollout("0", (Turn(action, TokenSpan("env", np.array([], np.int64)), 0.0),), None, True, False, 0)
    return RolloutTree(Task("t", "?", "!"), PROMPT, (root, *branches))


def test_branches_that_say_the_same_are_one_cluster() -> None:
    rng = np.random.default_rng(0)
    left = [branch(n, [10, 11, 12, *rng.integers(20, 22, 2)], 1.0) for n in range(20)]
    right = [branch(20 + n, [40, 41, 42, *rng.integers(50, 52, 2)]) for n in range(20)]
    found = branch_map([tree(*left, *right)])
    assert len(found) == 40
    first, second = {each.cluster for each in found[:20]}, {each.cluster for each in found[20:]}
    assert len(first) == len(second) == 1 and first != second
    assert [each.reward for each in found[:20]] == [1.0] * 20
    assert abs(found[0].x - found[-1].x) > 1


def test_branches_that_are_all_equal_are_one_cluster() -> None:
    assert {each.cluster for each in branch_map([tree(*(branch(n, [3]) for n in range(8)))])} == {0}


def test_too_few_branches_have_no_map() -> None:
    assert branch_map([tree(branch(0, [3]))]) == []


def test_the_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ConfigError, match=r"scikit-learn: `pip install 'appo-gym\[analysis\]'`"):
        branch_map([])
