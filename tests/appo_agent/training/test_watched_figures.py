"""What the panel watches of a step: the time of a tool call, and what the policy said last."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from appo_agent.training.run_files import LAST_TOKENS, last_words
from appo_agent.training.step_metrics import StepMetrics
from appo_agent.training.trainer import StepResult
from appo_agent.types import Rollout, RolloutTree, TokenSpan, Turn
from appo_envs import Task
from appo_envs.messages import ToolCall

PROMPT = TokenSpan("prompt", np.array([1]))
INFO = {"is_success": True, "format_ok": True}


def _turn(ids: list[int], seconds: tuple[float, ...] = ()) -> Turn:
    calls = tuple(ToolCall("search", "x", "y", False, spent) for spent in seconds)
    return Turn(
        TokenSpan("policy", np.array(ids), np.full(len(ids), -1, np.float32)),
        TokenSpan("env", np.array([9])),
        0.0,
        None,
        calls,
    )


def _rollout(name: str, *turns: Turn) -> Rollout:
    return Rollout(name, turns, None, True, False, 0, info=INFO)


def _tree(*rollouts: Rollout) -> RolloutTree:
    return RolloutTree(Task("t", "p", "a"), PROMPT, rollouts)


def test_the_time_of_a_tool_call_is_the_mean_over_all_calls_branches_included() -> None:
    metrics = StepMetrics()
    first, second = _rollout("0", _turn([5], (0.1, 0.3))), _rollout("1", _turn([6], (0.8,)))
    metrics.drawn([first])
    metrics.branches([_tree(first)], [_tree(first, second)])
    assert metrics.finish()["seconds/tool_call"] == pytest.approx((0.1 + 0.3 + 0.8) / 3)


def test_a_step_without_calls_has_no_such_time() -> None:
    metrics = StepMetrics()
    metrics.drawn([_rollout("0", _turn([5]))])
    assert "seconds/tool_call" not in metrics.finish()


def test_the_last_words_are_the_end_of_the_last_turn_in_which_the_policy_wrote() -> None:
    tokenizer: Any = SimpleNamespace(decode=lambda ids: " ".join(map(str, ids)))
    tree = _tree(_rollout("0", _turn([1, 2])), _rollout("1", _turn([3, 4]), _turn([])))
    assert last_words(StepResult([tree], [], {}), tokenizer) == "3 4"
    long = _tree(_rollout("0", _turn(list(range(LAST_TOKENS + 5)))))
    assert last_words(StepResult([long], [], {}), tokenizer).startswith("5 6 ")
    assert last_words(StepResult([_tree(_rollout("0", _turn([])))], [], {}), tokenizer) == ""
