"""A small task source and tools that misbehave on request, for the tests of the environment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from appo_envs.dialects.tags import TagDialect
from appo_envs.env import ToolEnv
from appo_envs.errors import SandboxError, ToolError
from appo_envs.grading import f1
from appo_envs.tasks import FiniteSplit, Task, TaskSplit
from appo_envs.tools.base import ToolSchema, tool_schema

TASKS = tuple(Task(f"t/{index}", f"question {index} ?", f"answer {index}") for index in range(20))
RIGHT = "<answer> \\boxed{{ answer {} }} </answer>"


class ToyExpert:
    """Counts to three, then answers."""

    def __init__(self, task: Task) -> None:
        self._task, self._calls = task, 0

    def act(self, observation: str) -> str:
        self._calls += 1
        if self._calls <= 3:
            return f"<count> {self._calls} </count>"
        return f"<answer> \\boxed{{ {self._task.answer} }} </answer>"


class ToySource:
    """Twenty tasks in one split."""

    splits = ("train",)
    vocabulary = ("question", "answer", "?")

    def split(self, name: str) -> TaskSplit:
        if name not in self.splits:
            raise ValueError(f"there is no split {name!r}")
        return FiniteSplit(TASKS)

    def task(self, task_id: str) -> Task:
        return TASKS[int(task_id.split("/")[1])]

    def expert(self, task: Task, rng: np.random.Generator) -> ToyExpert:
        return ToyExpert(task)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ToySource)

    def __hash__(self) -> int:
        return 0


class CountTool:
    """Adds up what it is given: a tool with state."""

    name = "count"
    schema: ToolSchema = tool_schema("count", "adds up.", argument="number", argument_description="an integer")

    def __init__(self) -> None:
        self.total: int | None = None
        self.closed = 0

    def reset(self, task: Task) -> None:
        self.total = None

    def call(self, arguments: Mapping[str, object], /) -> str:
        self.total = (self.total or 0) + int(str(arguments["number"]))
        return str(self.total)

    def snapshot(self) -> object | None:
        return self.total

    def restore(self, state: object | None, /) -> None:
        assert state is None or isinstance(state, int)
        self.total = state

    def close(self) -> None:
        self.closed += 1


class HostileTool(CountTool):
    """Does what its argument says."""

    name = "hostile"
    schema: ToolSchema = tool_schema("hostile", "misbehaves.", argument="how", argument_description="a word")

    def call(self, arguments: Mapping[str, object], /) -> str:
        text = str(arguments["how"])
        if text == "refuse":
            raise ToolError("not like this")
        if text == "raise":
            raise ZeroDivisionError("a bug")
        if text == "break":
            raise SandboxError("the sandbox died")
        if text == "megabyte":
            return "x" * 1_000_000
        if text == "surrogate":
            return "a\ud800b"
        if text == "none":
            return None  # pyright: ignore[reportReturnType]
        return text


SOURCE = ToySource()


def nested(depth: int | None) -> list[object]:
    """A list so many levels deep; without end, as it contains itself, for None."""
    value: list[object] = []
    if depth is None:
        value.append(value)
    for _ in range(depth or 0):
        value = [value]
    return value


def toy_env(**settings: int | str) -> ToolEnv:
    """An environment with both tools; settings go to `ToolEnv`."""
    return ToolEnv(
        SOURCE,
        [CountTool, HostileTool],
        TagDialect(("count", "hostile")),
        f1,
        **settings,  # pyright: ignore[reportArgumentType]
    )
