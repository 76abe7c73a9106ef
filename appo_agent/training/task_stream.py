"""The order in which a run meets its tasks, addressed by position so that a resumed run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence

from appo_envs import Task
from appo_envs.tasks import TaskSplit


class TaskStream:
    """An endless sequence of tasks: epoch after epoch, each in the order that the split gives it.

    Args:
        split: where tasks come from; must not be empty.
        seed: decides the orders.
    """

    def __init__(self, split: TaskSplit, seed: int) -> None:
        if len(split) == 0:
            raise ValueError("the split has no tasks")
        self._split, self._seed = split, seed
        self._epoch = -1
        self._order: Sequence[int] = ()

    def __getitem__(self, position: int) -> Task:
        """The task at a position, counted from the start of the run."""
        epoch, place = divmod(position, len(self._split))
        if epoch != self._epoch:
            self._order, self._epoch = self._split.order(self._seed, epoch), epoch
        return self._split[int(self._order[place])]

    def take(self, position: int, count: int) -> list[Task]:
        """The `count` tasks from a position on."""
        return [self[index] for index in range(position, position + count)]
