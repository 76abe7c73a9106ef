"""Arithmetic told as stories, such as "Ann has 12 apples . Ann buys 5 . Ann apples ?".

Every number is one word, and every number on the way to the answer is in range, so that a word-level model
can write the arithmetic as code. Each operation has eight verbs; four are common and four are rare, and the
demonstrator knows the rare ones badly: that is what there is to learn. The splits hold out combinations of
    name and item.

Owns the stories; the demonstrator is in `arithmetic_expert.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from appo_envs.seeding import derive_seed
from appo_envs.tasks.arithmetic_expert import ArithmeticExpert
from appo_envs.tasks.names import SPLITS, split_of
from appo_envs.tasks.operations import ITEMS, PEOPLE, VERBS, apply
from appo_envs.tasks.source import GeneratedSplit, address, check_split
from appo_envs.tasks.task import Task

STORIES = 1 << 20
"""Stories a split."""

_CHARACTERS = {
    split: tuple(
        (person, item)
        for i, person in enumerate(PEOPLE)
        for j, item in enumerate(ITEMS)
        if split_of(3 * i + j) == split
    )
    for split in SPLITS
}


class Step(NamedTuple):
    """One event of a story: the operation on what there is, the verb that tells it, and the number."""

    operation: str
    verb: str
    number: int


@dataclass(frozen=True)
class ArithmeticStories:
    """The task source.

    Attributes:
        max_steps: a story has 1 to this many events; at least 1.
        max_start: largest number that a story begins with, adds or takes away; at least 2.
        max_factor: largest number that it multiplies by; at least 2.
        limit: all numbers are in [0, limit); above max_start.
        seed: of all stories.

    Raises:
        ValueError: a setting is out of range.
    """

    max_steps: int = 2
    max_start: int = 30
    max_factor: int = 5
    limit: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_steps < 1 or self.max_start < 2 or self.max_factor < 2 or self.limit <= self.max_start:
            raise ValueError(
                "max_steps must be at least 1, max_start and max_factor at least 2, and limit above "
                f"max_start, got {self}"
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits share no combination of person and item."""
        return SPLITS

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words of the stories, those of the code, and every number in range."""
        verbs = [verb for operation in VERBS.values() for verb in operation]
        code = "print", "(", ")", *VERBS, "error"
        return (*PEOPLE, *ITEMS, *verbs, "has", ".", "?", *code, *map(str, range(self.limit)))

    def split(self, name: str) -> GeneratedSplit:
        """See `TaskSource.split`."""
        check_split(name, SPLITS)
        return GeneratedSplit(STORIES, 1, lambda index: self._story(name, index))

    def task(self, task_id: str) -> Task:
        """The task of an id such as "train/123"."""
        split, (number,) = address(task_id, SPLITS, (STORIES,))
        return self._story(split, number)

    def expert(self, task: Task, rng: np.random.Generator) -> ArithmeticExpert:
        """A demonstrator; see `ArithmeticExpert`."""
        return ArithmeticExpert(task.prompt, self.limit, rng)

    def _story(self, split: str, number: int) -> Task:
        rng = np.random.default_rng(derive_seed(self.seed, "arithmetic", split, number))
        characters = _CHARACTERS[split]
        person, item = characters[rng.integers(len(characters))]
        start = value = int(rng.integers(2, self.max_start + 1))
        steps = []
        for _ in range(rng.integers(1, self.max_steps + 1)):
            steps.append(self._step(value, rng))
            value = apply(steps[-1].operation, value, steps[-1].number)
        told = [
            f"{person} has {start} {item} .",
            *[f"{person} {step.verb} {step.number} ." for step in steps],
        ]
        prompt = " ".join([*told, f"{person} {item} ?"])
        return Task(f"{split}/{number}", prompt, str(value), {"steps": tuple(steps)})

    def _step(self, value: int, rng: np.random.Generator) -> Step:
        # Drawn again until the result is in range: from any value, adding, taking away or multiplying by 2
        # is.
        while True:
            operation = tuple(VERBS)[rng.integers(len(VERBS))]
            number = int(rng.integers(2, (self.max_factor if operation == "*" else self.max_start) + 1))
            if 0 <= apply(operation, value, number) < self.limit:
                return Step(operation, VERBS[operation][rng.integers(len(VERBS[operation]))], number)
