"""The task value."""

import copy
import pickle

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


@pytest.mark.parametrize(("task_id", "prompt"), [("", "why ?"), ("a/1", "")])
def test_a_task_without_id_or_prompt_is_refused(task_id: str, prompt: str) -> None:
    with pytest.raises(ValueError, match="needs an id and a prompt"):
        Task(task_id, prompt, "so")
