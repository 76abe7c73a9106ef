"""Where tasks come from.

Owns the protocols of task sources and demonstrators, and the two kinds of split: generated ones, endless for
all purposes, and finite ones.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, overload, runtime_checkable

import numpy as np

from appo_envs.errors import TaskError, did_you_mean
from appo_envs.seeding import derive_seed
from appo_envs.tasks.task import Task


class Expert(Protocol):
    """A scripted demonstrator of one episode. It may err on purpose."""

    def act(self, observation: str, /) -> str:
        """The next action. The first call gets the question, each later one what the environment answered."""
        ...


class TaskSource(Protocol):
    """A body of tasks in splits that share nothing a model could remember."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, such as "train", "validation" and "test"."""
        ...

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every white-space word of questions, answers, results and correct actions.

        A dialect's markup is not among them. A word-level tokenizer is built from it; a source of free text
        returns an empty tuple.
        """
        ...

    def split(self, name: str) -> TaskSplit:
        """The tasks of one split.

        Raises:
            ValueError: there is no such split; the message names the nearest.
        """
        ...

    def task(self, task_id: str) -> Task:
        """The task of an id, which may come from another process.

        Raises:
            TaskError: no task has this id.
        """
        ...

    def expert(self, task: Task, rng: np.random.Generator) -> Expert:
        """A demonstrator of this task, whose mistakes come from the generator."""
        ...


@runtime_checkable
class PlantedDecisions(Protocol):
    """A task source that knows where a rollout's decisions are: what diagnoses are checked against."""

    def planted(self, task: Task, text: str) -> list[int]:
        """Indices of the words, split at white space, that decide.

        Args:
            task: of this source.
            text: what the policy wrote, its turns joined by white space.
        """
        ...


class TaskSplit(Sequence[Task]):
    """The tasks of one split, made when they are asked for."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def order(self, seed: int, epoch: int) -> Sequence[int]:
        """The order in which an epoch visits the tasks.

        Args:
            seed: of the whole run.
            epoch: counted from 0; each has its own order.

        Returns:
            Every index once.
        """

    @abstractmethod
    def _make(self, index: int) -> Task:
        """The task at an index in [0, len)."""

    @overload
    def __getitem__(self, index: int) -> Task: ...

    @overload
    def __getitem__(self, index: slice) -> list[Task]: ...

    def __getitem__(self, index: int | slice) -> Task | list[Task]:
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(len(self)))]
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"task {place} of a split of {len(self)}")
        return self._make(place % len(self))

    def __iter__(self) -> Iterator[Task]:
        return map(self._make, range(len(self)))


class FiniteSplit(TaskSplit):
    """A list of tasks, visited in a random order."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tuple(tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def order(self, seed: int, epoch: int) -> Sequence[int]:
        """A permutation."""
        return _permutation(len(self), seed, epoch)

    def _make(self, index: int) -> Task:
        return self._tasks[index]


class ReadSplit(TaskSplit):
    """Tasks that are read from somewhere when they are asked for, visited in a random order.

    Args:
        size: number of tasks.
        read: reads the task at an index.
    """

    def __init__(self, size: int, read: Callable[[int], Task]) -> None:
        self._size, self._read = size, read

    def __len__(self) -> int:
        return self._size

    def order(self, seed: int, epoch: int) -> Sequence[int]:
        """A permutation."""
        return _permutation(len(self), seed, epoch)

    def _make(self, index: int) -> Task:
        return self._read(index)


def _permutation(size: int, seed: int, epoch: int) -> list[int]:
    return np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(size).tolist()


class GeneratedSplit(TaskSplit):
    """Tasks that are generated in runs, such as the questions on one world.

    Args:
        size: number of tasks, a multiple of `run`.
        run: tasks that are cheap to make one after the other.
        make: makes the task at an index.
    """

    def __init__(self, size: int, run: int, make: Callable[[int], Task]) -> None:
        if run < 1 or size < run or size % run:
            raise ValueError(f"size must be a positive multiple of run, got {size} and {run}")
        self._size, self._run, self._make_task = size, run, make

    def __len__(self) -> int:
        return self._size

    def order(self, seed: int, epoch: int) -> Sequence[int]:
        """All indices in turn, from a start of its own: generated tasks are in random order already."""
        start = derive_seed(seed, "order", epoch) % (self._size // self._run) * self._run
        return _Rotation(self._size, start)

    def _make(self, index: int) -> Task:
        return self._make_task(index)


class _Rotation(Sequence[int]):
    """start, start + 1, ..., size - 1, 0, 1, ..., start - 1 without a list of them."""

    def __init__(self, size: int, start: int) -> None:
        self._size, self._start = size, start

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> list[int]: ...

    def __getitem__(self, index: int | slice) -> int | list[int]:
        if isinstance(index, slice):
            return [(self._start + i) % self._size for i in range(*index.indices(self._size))]
        return (self._start + range(self._size)[index]) % self._size


def check_split(name: str, splits: Sequence[str]) -> None:
    """Raise ValueError, naming the nearest split, unless the name is one of them."""
    if name not in splits:
        raise ValueError(f"there is no split {name!r}; {did_you_mean(name, splits)}")


def address(task_id: str, splits: Sequence[str], sizes: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """Read an id such as "train/123/7": a split and one number for each level of a generator.

    Args:
        task_id: the id.
        splits: names of the splits.
        sizes: how many numbers each level has.

    Returns:
        The split and the numbers, each in [0, size).

    Raises:
        TaskError: the id is malformed or out of range. Only one spelling of a number is accepted, so that
            different ids are different tasks.
    """
    split, *levels = task_id.split("/")
    numbers = tuple([int(level) for level in levels if level.isascii() and level.isdigit() and len(level) < 19])
    in_range = len(numbers) == len(sizes) and all(n < size for n, size in zip(numbers, sizes, strict=True))
    if split not in splits or not in_range or task_id != "/".join((split, *map(str, numbers))):
        shape = "/".join(["<split>", *[f"<0 to {size - 1}>" for size in sizes]])
        raise TaskError(f"{task_id!r} is no task of this source; ids look like {shape}, splits are {tuple(splits)}")
    return split, numbers
