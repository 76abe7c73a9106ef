"""Mathematical equality."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.grading import math_equal, mathematics
from appo_envs.grading.mathematics import plain_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("17", Fraction(17)),
        ("-3", Fraction(-3)),
        ("+3.50", Fraction(7, 2)),
        (".5", Fraction(1, 2)),
        ("1,234,567", Fraction(1234567)),
        ("3/4", Fraction(3, 4)),
        ("1.5 / 3", Fraction(1, 2)),
        ("\\frac{1}{2}", Fraction(1, 2)),
        ("-\\dfrac{ 3 }{ 6 }", Fraction(-1, 2)),
        ("1/0", None),
        ("1,23", None),
        ("12 + 5", None),
        ("2^3", None),
        ("1e5", Fraction(100_000)),
        ("3 1/2", Fraction(7, 2)),
        ("1.5 million", Fraction(1_500_000)),
        ("34/2", Fraction(17)),
        ("x = 17", None),
        ("50%", None),
        ("٣", None),
        ("", None),
        ("9" * 61, None),
    ],
)
def test_plain_numbers_are_read_exactly(text: str, value: Fraction | None) -> None:
    assert plain_number(text) == value


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("17", "17.0", 1),
        ("$17$", "17", 1),
        ("1,000", "1000", 1),
        ("1/3", "0.333", 0),
        ("18", "17", 0),
        ("**18 dollars**", "18", 1),
        ("18 dollars", "17", 0),
        ("42 = 7", "7", 0),
        ("10_2", "10", 0),
        ("", "17", 0),
        ("x" * 2_000, "17", 0),
    ],
)
def test_plain_numbers_need_no_process(answer: str, gold: str, score: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "_pool", None)
    assert math_equal(answer, gold) == score


@pytest.mark.parametrize(
    ("answer", "gold", "score"),
    [
        ("x+1", "1+x", 1),
        ("2\\sqrt{2}", "\\sqrt{8}", 1),
        ("\\{1,2\\}", "\\{2,1\\}", 1),
        ("(1, 3)", "(1,3)", 1),
        ("x+2", "1+x", 0),
        ("Ann", "17", 0),
        ("1/0", "5", 0),
        ("\x00\ud800 1\n0", "3", 0),
    ],
)
def test_math_verify_decides_on_the_rest(answer: str, gold: str, score: float) -> None:
    assert math_equal(answer, gold) == score


@pytest.mark.parametrize("answer", ["9^{9^{9^9}}", "\\boxed{9^{9^{9^9}}}", "(10^{9})!"])
def test_numbers_that_nobody_can_write_down_need_no_process(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "_pool", None)
    assert math_equal(answer, "3") == 0


def test_threads_are_given_the_verdicts_of_their_own_questions() -> None:
    pairs = [(f"a+{i}", f"{i}+a") if i % 2 else (f"a+{i}", f"{i}+b") for i in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda pair: math_equal(*pair), pairs)) == [0, 1, 0, 1, 0, 1, 0, 1]


def test_a_forked_process_asks_a_process_of_its_own() -> None:
    assert math_equal("f+1", "1+f") == 1
    pids = {process.pid for process in mathematics._pool._processes}
    child = os.fork()
    if child == 0:
        own = math_equal("f+2", "2+f") == 1
        theirs = {process.pid for process in mathematics._pool._processes} - {None}
        mathematics._pool.close()
        os._exit(0 if own and not pids & theirs else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert math_equal("f+3", "3+f") == 1


def test_a_process_forked_amid_a_question_can_ask_too() -> None:
    with mathematics._pool._lock:
        child = os.fork()
        if child == 0:
            right = math_equal("g+2", "2+g") == 1
            mathematics._pool.close()
            os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
def test_ten_thousand_answers_with_hostile_ones_among_them_are_graded() -> None:
    hostile = ["9^{9^{9^9}}", "\\boxed{9^{9^{9}}}", "(10^{9})!", "\\binom{10^9}{10^8}", "(" * 200 + "1" + ")" * 200]
    slow = "\\prod_{i=1}^{10^8} i"
    forms = ["x+{n}", "{n}\\sqrt{{2}}", "\\frac{{{n}\\pi}}{{7}}", "({n}, 3)", "\\{{{n}, 1\\}}", "{n} \\text{{ apples}}"]
    pairs = [(forms[n % 6].format(n=n), forms[n % 6].format(n=n if n % 2 else n + 1)) for n in range(9_900)]
    pairs += [(f"{text}+{n}", "3") for n in range(18) for text in hostile] + [(f"{slow}+{n}", "3") for n in range(10)]
    random.Random(0).shuffle(pairs)
    with ThreadPoolExecutor(16) as threads:
        scores = list(threads.map(lambda pair: math_equal(*pair), pairs))
    assert sum(scores) == 4_950


@given(st.fractions(), st.fractions())
def test_fractions_are_equal_exactly_when_their_values_are(mine: Fraction, theirs: Fraction) -> None:
    def written(value: Fraction) -> str:
        return f"{value.numerator}/{value.denominator}"

    assert math_equal(written(mine), written(theirs)) == (mine == theirs)
