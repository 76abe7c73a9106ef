"""Tasks from a file with a JSON object a line.

Owns reading the file; what an object means is in `layout.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from appo_envs.errors import TaskError
from appo_envs.tasks.layout import Row, guess_layout, to_task
from appo_envs.tasks.listed import ListedTasks
from appo_envs.tasks.task import Task

_OWN_FIELDS = ("id", "split")


def read_jsonl(path: str | Path) -> ListedTasks:
    """The tasks of a file.

    A line has a question (or problem, or prompt) and an answer. It may have an id, a split, and documents to search
    as context; whatever else it has is metadata. Without a split it is in "train"; without an id its id is the split
    and the number of its line, such as "train/17". Blank lines are skipped.

    Args:
        path: of the file, UTF-8.

    Raises:
        TaskError: the file cannot be read, a line is no task, two tasks have one id, or there are none. The message
            names file and line.
    """
    tasks: dict[str, list[Task]] = {}
    lines_of: dict[str, int] = {}
    for number, line in enumerate(_read(Path(path)).split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        row = _object(line, place)
        split = _text(row, "split", "train", place)
        task_id = _text(row, "id", f"{split}/{number}", place)
        if task_id in lines_of:
            raise TaskError(f"{place}: the id {task_id!r} is that of line {lines_of[task_id]} too; ids must differ")
        lines_of[task_id] = number
        fields = {name: value for name, value in row.items() if name not in _OWN_FIELDS}
        tasks.setdefault(split, []).append(to_task(fields, guess_layout(fields, place), task_id, place))
    if not tasks:
        raise TaskError(f"{path} has no tasks; expected a JSON object with question and answer on each line")
    return ListedTasks(tasks)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error


def _object(line: str, place: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TaskError(f"{place}: expected a JSON object, got {line.strip()!r:.80}: {error}") from error
    if not isinstance(row, dict):
        raise TaskError(f"{place}: expected a JSON object, got {line.strip()!r:.80}")
    return cast(Row, row)


def _text(row: Row, name: str, default: str, place: str) -> str:
    value = row.get(name, default)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise TaskError(f"{place}: {name!r} must be a text that is not empty, or an integer, got {value!r:.80}")
    return str(value)
