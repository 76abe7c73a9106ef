"""Made-up names."""

from itertools import combinations

from appo_envs.tasks.names import FIRST_SYLLABLES, SECOND_SYLLABLES, SPLITS, is_name, names


def test_the_splits_divide_all_names_among_them() -> None:
    inventories = {split: set(names(split)) for split in SPLITS}
    assert sum(map(len, inventories.values())) == 48 * 48
    assert all(not inventories[a] & inventories[b] for a, b in combinations(SPLITS, 2))
    assert [len(inventories[split]) for split in SPLITS] == [1382, 460, 462]


def test_every_split_uses_every_syllable() -> None:
    for split in SPLITS:
        words = {word for name in names(split) for word in name.split()}
        assert words == {*FIRST_SYLLABLES, *SECOND_SYLLABLES}


def test_no_syllable_is_both_a_first_and_a_second_one() -> None:
    assert len({*FIRST_SYLLABLES, *SECOND_SYLLABLES}) == 96


def test_names_are_recognised() -> None:
    assert is_name(*names("train")[0].split())
    assert not is_name("Gor", "Ba")
    assert not is_name("ba", "gor")
