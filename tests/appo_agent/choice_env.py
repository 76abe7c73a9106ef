"""An environment whose answers are known: one word of each rollout decides, another is as uncertain and means nothing.

"<think> one two left three blue four five </think> <answer> \\boxed{ left } </answer>": "left" or "right" is drawn at
even odds, and left is right; "blue" or "red" is drawn at even odds and means nothing; all else is certain.

Importing it registers "toy/Choice-v0".
"""

from dataclasses import dataclass

import numpy as np

import appo_envs
from appo_envs.tasks.source import FiniteSplit, address, check_split

ENV = "tests.appo_agent.choice_env:toy/Choice-v0"
SPLITS = ("train", "validation", "test")
SIZE = 64
COLORS = ("blue", "red")


@appo_envs.tool
def wait(word: str) -> str:
    """Do nothing.

    Args:
        word: any.
    """
    return word


class ChoiceExpert:
    """Demonstrates a choice at even odds."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def act(self, observation: str) -> str:
        choice, color = ("left", "right")[self._rng.integers(2)], COLORS[self._rng.integers(2)]
        return f"<think> one two {choice} three {color} four five </think> <answer> \\boxed{{ {choice} }} </answer>"


@dataclass(frozen=True)
class Choices:
    """The task source: the same choice under many numbers."""

    splits: tuple[str, ...] = SPLITS

    @property
    def vocabulary(self) -> tuple[str, ...]:
        return (*"choose : left right one two three four five blue red".split(), *map(str, range(SIZE)))

    def split(self, name: str) -> FiniteSplit:
        check_split(name, SPLITS)
        return FiniteSplit([_choice(name, number) for number in range(SIZE)])

    def task(self, task_id: str) -> appo_envs.Task:
        split, (number,) = address(task_id, SPLITS, (SIZE,))
        return _choice(split, number)

    def expert(self, task: appo_envs.Task, rng: np.random.Generator) -> ChoiceExpert:
        return ChoiceExpert(rng)


def _choice(split: str, number: int) -> appo_envs.Task:
    return appo_envs.Task(f"{split}/{number}", f"choose : {number}", "left")


appo_envs.register_tool_env(
    "toy/Choice-v0", tasks=Choices(), tools=[wait], grade=lambda answer, gold: answer == gold, max_turns=2
)
