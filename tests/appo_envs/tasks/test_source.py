"""Splits and task addresses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.errors import TaskError
from appo_envs.tasks import FiniteSplit, GeneratedSplit, Task
from appo_envs.tasks.source import address, check_split


def _task(index: int) -> Task:
    return Task(str(index), "?", "")


def test_a_finite_split_is_visited_in_a_permutation_that_changes_with_epoch_and_seed() -> None:
    split = FiniteSplit([_task(index) for index in range(50)])
    orders = [list(split.order(seed, epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert list(split.order(0, 0)) == orders[0]


def test_a_generated_split_is_visited_in_turn_from_the_start_of_a_run() -> None:
    split = GeneratedSplit(4096, 16, _task)
    order = split.order(3, 0)
    assert len(order) == 4096
    assert order[0] % 16 == 0
    assert sorted(order) == list(range(4096))
    assert list(order[5:9]) == [(order[0] + i) % 4096 for i in range(5, 9)]
    assert order[-1] == (order[0] - 1) % 4096
    assert len({split.order(3, epoch)[0] for epoch in range(5)}) > 1


def test_splits_are_sequences() -> None:
    made: list[int] = []

    def make(index: int) -> Task:
        made.append(index)
        return _task(index)

    split = GeneratedSplit(8, 4, make)
    assert len(split) == 8 and made == []
    assert split[0].id == "0" and split[-1].id == "7" and split[int(np.int64(3))].id == "3"
    assert [task.id for task in split[6:]] == ["6", "7"]
    assert [task.id for task in split] == [str(index) for index in range(8)]
    for index in (8, -9):
        with pytest.raises(IndexError, match="split of 8"):
            split[index]


@pytest.mark.parametrize(("size", "run"), [(0, 1), (10, 4), (4, 0), (2, 4)])
def test_sizes_that_do_not_fit_are_refused(size: int, run: int) -> None:
    with pytest.raises(ValueError, match="multiple of run"):
        GeneratedSplit(size, run, _task)


def test_an_unknown_split_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'validation'"):
        check_split("valid", ("train", "validation", "test"))


def test_an_address_is_read() -> None:
    assert address("train/123/7", ("train",), (1000, 16)) == ("train", (123, 7))


@pytest.mark.parametrize(
    "task_id",
    ["", "train", "train/1", "train/1/2/3", "train/01/2", "train/1/16", "train/-1/2", "train/1/x", "test/1/2"]
    + ["train/1/2 ", "train/1/²", "train/٣/2", "/1/2", "train//2", "train/" + "9" * 5000 + "/2"],
)
def test_other_addresses_are_refused_with_an_example(task_id: str) -> None:
    with pytest.raises(TaskError, match="ids look like <split>/<0 to 999>/<0 to 15>"):
        address(task_id, ("train",), (1000, 16))


@given(st.text())
def test_reading_any_text_as_an_address_is_a_task_error_or_exact(text: str) -> None:
    try:
        split, numbers = address(text, ("train",), (10,))
    except TaskError:
        return
    assert text == f"{split}/{numbers[0]}"
