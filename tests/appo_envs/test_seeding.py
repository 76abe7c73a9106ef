"""Derived seeds."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.seeding import derive_seed

names = st.lists(st.integers() | st.text(max_size=5), max_size=4)


def test_seeds_are_the_same_for_ever() -> None:
    assert derive_seed(0) == 3877483726552662742
    assert derive_seed(1, "a", 2) == 7470173908909612743


def test_seeds_are_the_same_in_another_process() -> None:
    code = "from appo_envs.seeding import derive_seed; print(derive_seed(3, 'names', 5))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) == derive_seed(3, "names", 5)


def test_names_are_kept_apart() -> None:
    different = [
        derive_seed(1, "ab", "c"),
        derive_seed(1, "a", "bc"),
        derive_seed(1, 1),
        derive_seed(1, "1"),
        derive_seed(1, 1, 1),
        derive_seed(1, 11),
        derive_seed(1, "s1:a"),
        derive_seed(1, "a"),
        derive_seed(11),
        derive_seed(-11),
    ]
    assert len(set(different)) == len(different)


def test_numpy_integers_mean_their_value() -> None:
    assert derive_seed(int(np.int64(4)), int(np.int32(3))) == derive_seed(np.int64(4), np.int32(3))  # pyright: ignore


@pytest.mark.parametrize("name", [1.0, None, b"a", ("a",)])
def test_other_names_are_refused(name: object) -> None:
    with pytest.raises(TypeError):
        derive_seed(0, name)  # pyright: ignore[reportArgumentType]


@given(st.integers(), names, names)
def test_different_names_give_different_seeds(seed: int, mine: list[int | str], theirs: list[int | str]) -> None:
    first, second = derive_seed(seed, *mine), derive_seed(seed, *theirs)
    assert 0 <= first < 2**63
    assert (first == second) == (mine == theirs)
