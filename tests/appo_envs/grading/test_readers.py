"""Numbers, dates and lists are read back from every way of writing them."""

from datetime import date
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.grading import DateMatch, ListMatch, NumberEqual, math_equal, number_equal
from appo_envs.grading.dates import PartialDate, read_date
from appo_envs.grading.lists import MAX_ITEMS, split_items
from appo_envs.grading.number import Number, read_number, read_quantity

INTEGERS = st.integers(-(10**15), 10**15)


def test_a_number_says_how_it_was_written() -> None:
    assert read_number("5 km", ("km",)) == Number(Fraction(5), False, "km")
    assert read_number("12.5%") == Number(Fraction(1, 8), True, "")
    assert read_number("five") is None


def test_a_quantity_says_what_its_unit_is() -> None:
    assert read_quantity("5 years old") == Number(Fraction(5), False, "years old")
    assert read_quantity("18/hour") == Number(Fraction(18), False, "hour")
    assert read_quantity("50% fat") == Number(Fraction(1, 2), True, "fat")
    assert read_quantity("17") == read_number("17")


UNITS = st.lists(st.sampled_from(["eggs", "USD", "km", "years", "old", "a", "per", "day", "litres"]), min_size=1)


@given(INTEGERS, UNITS)
def test_a_unit_of_up_to_six_words_changes_no_number(value: int, words: list[str]) -> None:
    unit = " ".join(words)
    few = len(words) <= 6 and words[0] != "a"
    for written in (f"{value} {unit}", f"**{value:,} {unit}**", f"{value}/{unit}.", f"{value} \\text{{{unit}}}"):
        assert read_quantity(written) == (Number(Fraction(value), False, unit) if few else None), written


@given(st.integers(0, 999), UNITS, st.integers(0, 999), UNITS, st.sampled_from([" or ", " and ", ", ", " = ", " + "]))
def test_two_quantities_are_none(one: int, its: list[str], other: int, others: list[str], between: str) -> None:
    assert read_quantity(f"{one} {' '.join(its)}{between}{other} {' '.join(others)}") is None
    assert read_quantity(f"{one}{between}{other} {' '.join(others)}") is None


@given(INTEGERS)
def test_an_integer_is_read_from_every_way_of_writing_it(value: int) -> None:
    for written in (f"{value}", f"{value:,}", f"${value}$", f"{value}.00", f"\\boxed{{{value}}}", f"n = {value:,}"):
        assert number_equal(written, str(value)) == 1
        assert number_equal(str(value + 1), written) == 0


@given(st.fractions(max_denominator=10**6), st.fractions(max_denominator=10**6))
def test_fractions_are_equal_exactly_when_their_values_are(mine: Fraction, theirs: Fraction) -> None:
    def written(value: Fraction) -> str:
        return str(value) if value.denominator > 1 else f"{value.numerator}.0"

    assert number_equal(written(mine), written(theirs)) == (mine == theirs)
    assert number_equal(written(mine), written(mine)) == 1


@given(INTEGERS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_tolerance_is_kept_to_the_last_digit(gold: int, off: int, thousandths: int) -> None:
    grader = NumberEqual(absolute=thousandths / 1000)
    right = abs(off) <= thousandths
    assert (
        grader(str(Fraction(gold) + Fraction(off, 1000)) if off % 1000 else str(gold + off // 1000), str(gold)) == right
    )


@given(st.sampled_from("+-*^"), st.integers(0, 99), st.integers(1, 99))
def test_no_calculation_is_a_number(sign: str, left: int, right: int) -> None:
    value = {"+": left + right, "-": left - right, "*": left * right, "^": left**right}[sign]
    for written in (f"{left}{sign}{right}", f"{left} {sign} {right}", f"({left}){sign}({right})"):
        assert number_equal(written, str(value)[:50]) == 0


@given(st.dates())
def test_a_date_is_read_from_every_way_of_writing_it(day: date) -> None:
    year = f"{day.year:04}"
    words = (f"%d %B {year}", f"%B %d, {year}", f"%A, %d %b {year}", f"the %d of %B, {year}", f"{year}/%m/%d")
    for form in words:
        assert read_date(day.strftime(form)) == PartialDate(day.year, day.month, day.day), day.strftime(form)
    assert read_date(f"{day:%d/%m/}{year}", day_first=True) == PartialDate(day.year, day.month, day.day)
    assert read_date(f"{day:%m/%d/}{year}", day_first=False) == PartialDate(day.year, day.month, day.day)


@given(st.dates())
def test_a_date_in_numbers_is_read_only_if_it_can_be_but_one_day(day: date) -> None:
    found = read_date(f"{day:%d.%m.}{day.year:04}")
    if day.day > 12 or day.day == day.month:
        assert found == PartialDate(day.year, day.month, day.day)
    else:
        assert found is None


@given(st.dates())
def test_iso_text_is_that_of_the_calendar(day: date) -> None:
    whole = PartialDate(day.year, day.month, day.day)
    assert whole.iso == day.isoformat()
    assert [PartialDate(day.year).iso, PartialDate(day.year, day.month).iso] == [
        day.isoformat()[:4],
        day.isoformat()[:7],
    ]
    assert DateMatch(finer=True)(whole.iso, whole.iso[:7]) == 1


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        ("Ann", ("Ann",)),
        ("Ann,Bob , Cy", ("Ann", "Bob", "Cy")),
        ("Ann, Bob and Cy", ("Ann", "Bob", "Cy")),
        ("1,234, 5", ("1,234", "5")),
        ("2020,2021", ("2020", "2021")),
        ("(1, 2), (3, 4)", ("(1, 2)", "(3, 4)")),
        ("{(1, 2), (3, 4)}", ("(1, 2)", "(3, 4)")),
        ("1. Lo, the city\n2. Mir;\n\n", ("Lo, the city", "Mir")),
        ("Lo - Mir\n3. Ann", ("Lo - Mir", "Ann")),
        ("Lo (and Mir), Ann", ("Lo (and Mir)", "Ann")),
        (":( , Ann", (":( , Ann",)),
        ("), Ann", (")", "Ann")),
    ],
)
def test_lists_are_taken_apart(text: str, items: tuple[str, ...]) -> None:
    assert split_items(text) == items


ITEMS = st.lists(st.sampled_from(["1", "2", "3", "4"]), max_size=5)


@given(ITEMS, ITEMS)
def test_pairing_finds_as_many_as_trying_everything(given_items: list[str], right: list[str]) -> None:
    def near(mine: str, theirs: str) -> float:
        return float(abs(int(mine) - int(theirs)) <= 1)

    few, many = sorted((given_items, right), key=len)
    best = max(sum(map(near, few, order)) for order in permutations(many))
    score = ListMatch(near, partial=True)("; ".join(given_items), "; ".join(right))
    assert score == pytest.approx(2 * best / (len(few) + len(many)) if many else 1)
    assert ListMatch(near)("; ".join(given_items), "; ".join(right)) == (score == 1)


def test_a_list_of_too_many_items_is_equal_to_nothing() -> None:
    as_many = ", ".join(["1"] * MAX_ITEMS)
    assert ListMatch()(as_many, as_many) == 1
    assert ListMatch()(as_many + ", 1", as_many + ", 1") == 0


def test_a_wrong_item_ends_the_comparison() -> None:
    asked: list[str] = []

    def grader(mine: str, theirs: str) -> float:
        asked.append(mine)
        return float(mine == theirs)

    assert ListMatch(grader)("z, b, c", "a, b, c") == 0
    assert asked == ["z"] * 3


@given(st.fractions(max_denominator=99))
def test_math_equal_agrees_on_what_is_a_number(value: Fraction) -> None:
    gold = str(value)
    if value.denominator > 1:
        assert number_equal(gold, gold) == math_equal(gold, gold) == 1
