"""Arithmetic stories that are solved by running Python."""

from __future__ import annotations

from appo_envs.dialects.tags import TagDialect
from appo_envs.env import ToolEnv
from appo_envs.grading.mathematics import math_equal
from appo_envs.rewards import OutcomeReward
from appo_envs.tasks.arithmetic import ArithmeticStories
from appo_envs.tools.python import PythonTool


def math_python(
    *,
    max_steps: int = 2,
    max_start: int = 30,
    seed: int = 0,
    split: str = "train",
    max_turns: int = 6,
    max_tool_calls: int = 5,
    mask_truncated: bool = False,
    render_mode: str | None = None,
) -> ToolEnv:
    """The environment `appo/MathPython-v0`.

    Args:
        max_steps: events of a story at most.
        max_start: largest number of a story; its results stay below 200.
        seed: of the stories.
        split: "train", "validation" or "test"; they share no combination of person and item.
        max_turns: see `ToolEnv`.
        max_tool_calls: see `ToolEnv`.
        mask_truncated: reward unfinished episodes with 0 instead of -1.
        render_mode: see `ToolEnv`.
    """
    return ToolEnv(
        ArithmeticStories(max_steps=max_steps, max_start=max_start, seed=seed),
        [PythonTool],
        TagDialect(("python",)),
        math_equal,
        OutcomeReward(mask_truncated=mask_truncated),
        split=split,
        max_turns=max_turns,
        max_tool_calls=max_tool_calls,
        render_mode=render_mode,
    )
