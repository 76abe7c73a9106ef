"""The space of Unicode texts."""

import numpy as np
import pytest
from gymnasium.vector.utils import batch_space

from appo_envs.spaces import SAMPLE_LENGTH, UnicodeText


def test_any_encodable_text_up_to_the_length_is_in_the_space() -> None:
    space = UnicodeText(5)
    assert all(text in space for text in ("", "abcde", "日本語中文", "🙂🙂", "a\x00\n\u202e"))
    assert "abcdef" not in space
    assert "\ud800" not in space
    assert all(other not in space for other in (None, 5, b"abc", ["a"]))


def test_samples_are_in_the_space_and_repeat_with_the_seed() -> None:
    space, twin = UnicodeText(1000, seed=3), UnicodeText(1000, seed=3)
    samples = [space.sample() for _ in range(300)]
    assert samples == [twin.sample() for _ in range(300)]
    assert all(sample in space for sample in samples)
    assert max(map(len, samples)) <= SAMPLE_LENGTH
    assert len({len(sample) for sample in samples}) > 50
    assert any(not sample.isascii() for sample in samples)


def test_samples_of_a_small_space_are_small() -> None:
    space = UnicodeText(2, seed=0)
    assert {len(space.sample()) for _ in range(100)} == {0, 1, 2}


def test_seeding_starts_the_samples_again() -> None:
    space = UnicodeText(100)
    space.seed(5)
    first = space.sample()
    space.seed(5)
    assert space.sample() == first


def test_spaces_are_equal_when_their_lengths_are() -> None:
    assert UnicodeText(3) == UnicodeText(3, seed=np.random.default_rng(1))
    assert hash(UnicodeText(3)) == hash(UnicodeText(3))
    assert UnicodeText(3) != UnicodeText(4)
    assert UnicodeText(3) != 3
    assert repr(UnicodeText(3)) == "UnicodeText(3)"


def test_texts_travel_through_json_and_batches() -> None:
    space = UnicodeText(9, seed=0)
    texts = [space.sample(), space.sample()]
    assert space.from_jsonable(space.to_jsonable(texts)) == texts
    assert ("a", "b") in batch_space(space, 2)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="max_length"):
        UnicodeText(-1)
    with pytest.raises(ValueError, match="mask"):
        UnicodeText(3).sample(probability="half")  # pyright: ignore[reportArgumentType]
