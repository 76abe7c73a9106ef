"""Arithmetic stories."""

from itertools import combinations

import numpy as np
import pytest

from appo_envs.errors import TaskError
from appo_envs.tasks import ArithmeticStories
from appo_envs.tasks.names import SPLITS
from appo_envs.tasks.operations import ITEMS, OPERATION_OF, PEOPLE

SOURCE = ArithmeticStories()


def _solve(prompt: str) -> tuple[list[int], str, str]:
    """All values on the way, the person and the item, from the words of the story alone."""
    first, *events, question = prompt.removesuffix(" ?").split(" . ")
    person, has, start, item = first.split()
    assert has == "has" and question == f"{person} {item}"
    values = [int(start)]
    for event in events:
        who, verb, number = event.split()
        assert who == person
        values.append(eval(f"{values[-1]} {OPERATION_OF[verb]} {number}"))
    return values, person, item


def test_the_answer_follows_from_the_story_and_every_value_is_in_range() -> None:
    lengths = set()
    for task in SOURCE.split("train")[:500]:
        values, person, item = _solve(task.prompt)
        assert str(values[-1]) == task.answer
        assert all(0 <= value < 200 for value in values)
        assert person in PEOPLE and item in ITEMS
        lengths.add(len(values))
    assert lengths == {2, 3}


def test_splits_share_no_combination_of_person_and_item() -> None:
    told = {split: {_solve(task.prompt)[1:] for task in SOURCE.split(split)[:2000]} for split in SPLITS}
    assert all(not told[a] & told[b] for a, b in combinations(SPLITS, 2))
    assert sum(map(len, told.values())) == len(PEOPLE) * len(ITEMS)


def test_a_task_is_rebuilt_from_its_id_alone() -> None:
    task = SOURCE.split("test")[123]
    assert task.id == "test/123"
    assert ArithmeticStories().task("test/123") == task
    assert ArithmeticStories(seed=1).task("test/123") != task


def test_every_word_is_in_the_vocabulary() -> None:
    vocabulary = SOURCE.vocabulary
    assert len(set(vocabulary)) == len(vocabulary)
    for task in SOURCE.split("validation")[:300]:
        assert set(task.prompt.split()) | {task.answer} <= set(vocabulary)


def test_long_stories_on_a_narrow_range_can_always_go_on() -> None:
    narrow = ArithmeticStories(max_steps=12, max_start=2, max_factor=2, limit=3)
    for task in narrow.split("train")[:100]:
        assert all(0 <= value < 3 for value in _solve(task.prompt)[0])


def test_an_expert_who_met_a_number_without_a_word_answers_with_the_last_that_has_one() -> None:
    task = SOURCE.split("train")[0]
    for result in ("-4", "200", "17.0", "", "Traceback (most recent call last): boom"):
        expert = SOURCE.expert(task, np.random.default_rng(0))
        expert.act(task.prompt)
        start = task.prompt.split()[2]
        assert expert.act(f"<result> {result} </result>") == f"<answer> \\boxed{{ {start} }} </answer>"


def test_bad_settings_and_ids_are_refused() -> None:
    for settings in ({"max_steps": 0}, {"max_start": 1}, {"max_factor": 1}, {"limit": 30}):
        with pytest.raises(ValueError, match="limit above max_start"):
            ArithmeticStories(**settings)
    with pytest.raises(TaskError):
        SOURCE.task("train/1/1")
    with pytest.raises(ValueError, match="did you mean 'test'"):
        SOURCE.split("tests")
