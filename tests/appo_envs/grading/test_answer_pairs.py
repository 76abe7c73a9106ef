"""Every grader says what the table of pairs says, whatever else it is given."""

import pickle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appo_envs.grading import DateMatch, Grader, ListMatch, NumberEqual, f1, math_equal, number_equal
from tests.appo_envs.grading.answer_pairs import PAIRS, UNLIKE_MATH_VERIFY
from tests.appo_envs.grading.pair import Pair

ROWS = [
    pytest.param(grader, pair, id=f"{name}: {pair.answer!r:.30}, {pair.gold!r:.20}")
    for name, (grader, pairs) in PAIRS.items()
    for pair in pairs
]
GRADERS = {name: (grader, pairs[0].gold) for name, (grader, pairs) in PAIRS.items()}


@pytest.mark.parametrize(("grader", "pair"), ROWS)
def test_the_grader_says_what_the_table_says(grader: Grader, pair: Pair) -> None:
    assert grader(pair.answer, pair.gold) == pytest.approx(pair.score), pair.why


def test_the_table_is_long_and_has_both_verdicts_of_every_grader() -> None:
    assert len(ROWS) >= 150
    for name, (_, pairs) in PAIRS.items():
        assert {pair.score > 0 for pair in pairs} == {True, False}, name


@pytest.mark.parametrize("pair", UNLIKE_MATH_VERIFY, ids=lambda pair: pair.answer)
def test_number_equal_and_math_verify_differ_where_the_table_says(pair: Pair) -> None:
    assert number_equal(pair.answer, pair.gold) == pair.score, pair.why
    assert math_equal(pair.answer, pair.gold) == 1 - pair.score, pair.why


HOSTILE = [
    "\ud800\udfff",
    "\x00" * 100,
    "\u202e17\u202c",
    "9" * 1_000_000,
    "1," * 500_000,
    "(" * 1_000_000,
    " and " * 200_000,
    "- \n" * 300_000,
    "yes " * 250_000,
    "\\frac{1}{" * 100_000,
    " " * 1_000_000 + "x",
    "1 " * 100 + "/",
    "$" * 199,
    "0" * 199 + "x",
    "12 March " * 6,
    "1" + " " * 190 + "a/",
    "1+" * 400 + "1=" + "1" * 100,
]


@pytest.mark.parametrize("name", GRADERS)
@pytest.mark.parametrize("answer", HOSTILE, ids=lambda answer: repr(answer[:8]))
def test_a_hostile_answer_is_a_wrong_one(name: str, answer: str) -> None:
    grader, gold = GRADERS[name]
    assert 0 <= grader(answer, gold) < 1


@pytest.mark.parametrize("name", [name for name in GRADERS if name != "math_equal"])
@given(answer=st.one_of(st.text(), st.text(alphabet="0123456789.,/%$eE+-\\{}() \nanddyesMar\ud800\x00\u202e")))
@settings(max_examples=60, deadline=None)
@example(answer="")
def test_no_text_breaks_a_grader(name: str, answer: str) -> None:
    grader, gold = GRADERS[name]
    assert 0 <= grader(answer, gold) <= 1


@given(answer=st.text(alphabet="0123456789.,/%^+-=_*\\{}() xkm\ud800\x00", max_size=12))
@settings(max_examples=25, deadline=None)
def test_no_text_breaks_math_equal(answer: str) -> None:
    assert 0 <= math_equal(answer, "x+1") <= 1
    assert 0 <= math_equal(answer, "17") <= 1


def test_graders_with_settings_are_values() -> None:
    for grader in (NumberEqual(relative=0.01), ListMatch(number_equal, ordered=True), DateMatch(day_first=True)):
        assert pickle.loads(pickle.dumps(grader)) == grader
        assert hash(grader) == hash(pickle.loads(pickle.dumps(grader)))
    assert NumberEqual(relative=0.01) != NumberEqual()
    assert ListMatch(f1) != ListMatch(number_equal)


@pytest.mark.parametrize("name", ["number_equal", "date_match", "yes_no"])
def test_a_gold_answer_that_cannot_be_read_is_a_fault_of_the_task(name: str) -> None:
    with pytest.raises(ValueError, match="a gold answer must be"):
        PAIRS[name][0]("17", "Lo Mir")


def test_a_gold_date_that_can_be_read_twice_is_a_fault_of_the_task() -> None:
    with pytest.raises(ValueError, match="day_first"):
        DateMatch()("2021-04-03", "03/04/2021")


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), float("inf")])
def test_a_tolerance_is_finite_and_not_negative(tolerance: float) -> None:
    with pytest.raises(ValueError, match="relative tolerance"):
        NumberEqual(relative=tolerance)
    with pytest.raises(ValueError, match="absolute tolerance"):
        NumberEqual(absolute=tolerance)
