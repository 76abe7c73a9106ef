"""An environment from its parts: tasks, tools and a grade.

Owns what may be given for each part; what becomes of them is in `ToolEnv`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from appo_envs.dialects.base import Dialect
from appo_envs.env import ToolEnv
from appo_envs.rewards import Reward
from appo_envs.tasks.resolve import Tasks, task_source
from appo_envs.tools.base import ToolMaker
from appo_envs.tools.function import FunctionToolMaker

Tools = Sequence[ToolMaker] | Callable[[], Sequence[ToolMaker]]
"""Tools of an environment, or a function that gives those of one more environment each time it is called.

Forks and members of a vector are environments too, so the function is called for each of them; a vector calls it in its
threads. The tools' names and their `state=` must be the same each time, or a fork cannot go on from the original. What
environments may share, such as an index, is made outside of the function.
"""

Grade = Callable[[str, str], float]
"""(the model's answer, the gold answer) -> a number in [0, 1], or whether it is right."""


def declared_env(
    *,
    tasks: Tasks,
    tools: Tools,
    grade: Grade,
    dialect: Dialect | str | None = None,
    reward: Reward | None = None,
    split: str = "train",
    max_turns: int = 8,
    max_tool_calls: int = 8,
    max_observation_chars: int = 10_000,
    action_format: str = "text",
    render_mode: str | None = None,
) -> DeclaredEnv:
    """The environment of these parts.

    Args:
        tasks: where tasks come from; see `Tasks`.
        tools: functions declared with `@appo_envs.tool`, classes of tools, or other makers; at least one. Or a function
            that gives them, see `Tools`.
        grade: scores an answer.
        dialect: how the model calls the tools, or its registered name; None for tags with the tools' names.
        reward: see `ToolEnv`.
        split: see `ToolEnv`.
        max_turns: see `ToolEnv`.
        max_tool_calls: see `ToolEnv`.
        max_observation_chars: see `ToolEnv`.
        action_format: see `ToolEnv`.
        render_mode: see `ToolEnv`.

    Raises:
        TypeError: a tool is a function that was not declared one, or is no maker; or something is no task.
        ValueError: there are no tools or no tasks, a name is no lower-case identifier, or a setting is out of range.
    """
    check_declared(tools, grade)
    tools = tools if callable(tools) else tuple(tools)
    env = DeclaredEnv(
        task_source(tasks),
        _makers(tools),
        "tags" if dialect is None else dialect,
        CheckedGrade(grade),
        reward,
        split=split,
        max_turns=max_turns,
        max_tool_calls=max_tool_calls,
        max_observation_chars=max_observation_chars,
        action_format=action_format,
        render_mode=render_mode,
    )
    env.declared_tools = tools
    return env


class DeclaredEnv(ToolEnv):
    """What `declared_env` makes: its siblings get their tools as it got its own.

    Attributes:
        declared_tools: as they were given.
    """

    declared_tools: Tools

    def sibling(self) -> DeclaredEnv:
        """See `ToolEnv.sibling`; a function of tools is called again.

        Raises:
            TypeError: see `declared_env`.
            ValueError: see `declared_env`.
        """
        env = cast(DeclaredEnv, super().sibling())
        env.declared_tools = self.declared_tools
        return env

    def _sibling_makers(self) -> tuple[ToolMaker, ...]:
        return _makers(self.declared_tools)


def check_declared(tools: object, grade: object) -> None:
    """Check what can be checked without calling a function.

    Raises:
        TypeError: `tools` is one tool, or the grade is no function.
    """
    # Both can be called, as a function that gives tools can.
    if isinstance(tools, FunctionToolMaker | type):
        raise TypeError(f"expected a list of tools, got the one tool {tools!r:.80}; write [{tools.__name__}]")
    if not callable(grade):
        raise TypeError(f"grade must be a function (answer, gold answer) -> number, got {grade!r:.80}")


@dataclass(frozen=True)
class CheckedGrade:
    """A plain function as a grader.

    Attributes:
        grade: the function.
    """

    grade: Grade

    def __call__(self, answer: str, gold: str) -> float:
        """The score.

        Raises:
            ValueError: the function returned something else than a number in [0, 1]; that is its bug.
        """
        score = self.grade(answer, gold)
        if score is None or not 0 <= score <= 1:
            raise ValueError(f"the grade must be a number in [0, 1] or a bool, got {score!r} for answer {answer!r:.80}")
        return float(score)


def _makers(tools: Tools) -> tuple[ToolMaker, ...]:
    makers = tuple(tools() if callable(tools) else tools)
    if not makers:
        raise ValueError("an environment needs at least one tool, got none")
    for maker in makers:
        _check_maker(maker)
    return makers


def _check_maker(maker: object) -> None:
    if not callable(maker):
        raise TypeError(
            f"a tool is given as what makes it, such as its class or a function declared with @appo_envs.tool, got "
            f"{maker!r:.80}"
        )
    if inspect.isfunction(maker):
        needed = [p.name for p in inspect.signature(maker).parameters.values() if p.default is p.empty]
        if needed:
            raise TypeError(
                f"the function {maker.__name__!r} takes {', '.join(needed)}; make a tool of it with @appo_envs.tool"
            )
