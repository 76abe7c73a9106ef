"""From what somebody writes for "tasks" to a task source.

Owns which forms there are; each form is read by a file of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from appo_envs.tasks.hub import PREFIX, HubAddress, HubTasks, Load
from appo_envs.tasks.jsonl import read_jsonl
from appo_envs.tasks.listed import ListedTasks
from appo_envs.tasks.source import TaskSource
from appo_envs.tasks.task import Task

Tasks = TaskSource | Mapping[str, Iterable[Task]] | Iterable[Task] | str | os.PathLike[str]
"""Tasks: a source, a list for each split, a list that is the split "train", "hub:OWNER/NAME" or a path to a .jsonl."""


def task_source(tasks: Tasks, *, load: Load | None = None) -> TaskSource:
    """The source of these tasks; a source is taken as it is.

    Args:
        tasks: see `Tasks`. Data sets of the hub may name a subset, a revision and columns:
            "hub:openai/gsm8k:main@REVISION?question=COLUMN&answer=COLUMN".
        load: how data sets of the hub are loaded; None for the `datasets` library.

    Raises:
        ImportError: the extra `hub` is needed and not installed.
        TaskError: what was named cannot be read or holds no tasks; or a list is empty, or two tasks have one id.
        TypeError: a list holds something else than tasks, or it is neither of these.
        ValueError: a text is of no known form.
    """
    if isinstance(tasks, str) and tasks.startswith(PREFIX):
        return HubTasks(HubAddress.parse(tasks), load)
    if isinstance(tasks, str | os.PathLike):
        path = os.fspath(tasks)
        if not path.endswith(".jsonl"):
            raise ValueError(f"expected hub:OWNER/NAME or the path of a .jsonl file for tasks, got {path!r}")
        return read_jsonl(path)
    if isinstance(tasks, Iterable):
        return ListedTasks(tasks)
    if not hasattr(tasks, "split"):
        raise TypeError(f"expected a task source, a list of tasks or a text for tasks, got {tasks!r:.80}")
    return tasks
