"""Mathematical equality."""

import os
import threading
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.errors import EnvError
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
        ("1e5", None),
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
        ("", "17", 0),
        ("x" * 2_000, "17", 0),
    ],
)
def test_plain_numbers_need_no_process(answer: str, gold: str, score: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "_worker", None)
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


def test_a_tower_of_powers_ends_and_the_next_answer_is_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "TIMEOUT_SECONDS", 0.5)
    assert math_equal("9^{9^{9^{9}}}", "3") == 0
    monkeypatch.undo()
    assert math_equal("y+1", "1+y") == 1


def test_a_dead_process_is_replaced() -> None:
    assert math_equal("z+1", "1+z") == 1
    process = mathematics._worker._process
    assert process is not None
    process.kill()
    process.wait()
    assert math_equal("z+2", "2+z") == 1


def test_threads_take_turns() -> None:
    pairs = [(f"a+{i}", f"{i}+a") if i % 2 else (f"a+{i}", f"{i}+b") for i in range(8)]
    scores: dict[int, float] = {}

    def grade(index: int) -> None:
        scores[index] = math_equal(*pairs[index])

    threads = [threading.Thread(target=grade, args=(index,)) for index in range(len(pairs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [scores[index] for index in range(len(pairs))] == [0, 1, 0, 1, 0, 1, 0, 1]


def test_a_forked_process_asks_a_worker_of_its_own() -> None:
    assert math_equal("f+1", "1+f") == 1
    worker = mathematics._worker
    parent_pid = worker._process.pid if worker._process else None
    child = os.fork()
    if child == 0:
        own = math_equal("f+2", "2+f") == 1 and worker._process is not None and worker._process.pid != parent_pid
        worker.close()
        os._exit(0 if own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert math_equal("f+3", "3+f") == 1


def test_a_process_forked_amid_a_question_can_ask_too() -> None:
    worker = mathematics._worker
    with worker._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if math_equal("g+2", "2+g") == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_installation_that_cannot_start_is_an_error_and_not_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "_worker", mathematics._Worker())
    monkeypatch.setattr(mathematics.sys, "executable", "/bin/false")
    with pytest.raises(EnvError, match="math_verify did not start"):
        math_equal("q+1", "1+q")


@given(st.fractions(), st.fractions())
def test_fractions_are_equal_exactly_when_their_values_are(mine: Fraction, theirs: Fraction) -> None:
    def written(value: Fraction) -> str:
        return f"{value.numerator}/{value.denominator}"

    assert math_equal(written(mine), written(theirs)) == (mine == theirs)
