"""The task value."""

import copy
import pickle
from typing import Any

import pytest

from appo_envs.tasks import Task


def test_a_task_is_a_value() -> None:
    task = Task("a/1", "why ?", "so", {"hops": 2})
    assert task == Task("a/1", "why ?", "so", {"hops": 2})
    assert task != Task("a/1", "why ?", "so", {"hops": 3})
    assert hash(task) == hash(Task("a/1", "why ?", "so"))


def test_a_task_survives_pickling_and_copying() -> None:
    task = Task("a/1", "why ?", "so", {"evidence": ("x", "y")})
    assert pickle.loads(pickle.dumps(task)) == task
    assert copy.deepcopy(task) == task


def test_metadata_cannot_be_changed_through_the_task_or_behind_it() -> None:
    metadata: dict[str, object] = {"hops": 2}
    task = Task("a/1", "why ?", "so", metadata)
    metadata["hops"] = 3
    assert task.metadata["hops"] == 2
    with pytest.raises(TypeError):
        task.metadata["hops"] = 4  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((7, "why ?", "so"), "the id of a task is a string, got int 7"),
        (("a/1", ["why"], "so"), "the prompt of a task is a string, got list"),
        (("a/1", "why ?", 4), "the answer of a task is a string, got int 4"),
        (("a/1", "why ?", "4", {}, "IV"), "the aliases of task 'a/1' are a tuple of strings, got the one 'IV'"),
        (("a/1", "why ?", "4", {}, ["IV", 4]), "the alias of a task is a string, got int 4"),
    ],
)
def test_parts_of_a_task_are_strings(fields: tuple[Any, ...], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Task(*fields)


def test_aliases_may_be_a_list() -> None:
    task = Task("a/1", "why ?", "4", aliases=["IV"])  # pyright: ignore[reportArgumentType]
    assert task.aliases == ("IV",) and hash(task)


@pytest.mark.parametrize(("task_id", "prompt"), [("", "why ?"), ("a/1", "")])
def test_a_task_without_id_or_prompt_is_refused(task_id: str, prompt: str) -> None:
    with pytest.raises(ValueError, match="needs an id and a prompt"):
        Task(task_id, prompt, "so")
