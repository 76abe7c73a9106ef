r"""Mathematical equality of answers.

Plain numbers are compared exactly, in microseconds. Everything else goes to math_verify in processes of its own,
because a short answer such as 9^{9^{9}} can keep it busy for ever, and only killing a process is sure to stop it.

Owns the comparison of plain numbers and which questions go to the processes; the processes are in `math_pool.py`.
Where a question asks for a number, the graders of `number.py` accept no sum that is left to do.
"""

from __future__ import annotations

import atexit
import os
import re
from fractions import Fraction

from appo_envs.grading.cost import is_too_costly
from appo_envs.grading.math_pool import MathPool
from appo_envs.grading.number import Number, read_number, read_quantity

MAX_CHARS = 1_000
"""Longer answers are equal to nothing but themselves."""
CPU_SECONDS = 2.0
"""Processor time that math_verify may take for an answer. Usual answers take a hundredth of it."""
MAX_PROCESSES = 8
"""Of math_verify, on machines with that many cores; 65 MB each."""
_CACHED_VERDICTS = 8192

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,60})"
_NUMBER = re.compile(rf"([+-]?(?:{_INTEGER}(?:\.[0-9]{{0,60}})?|\.[0-9]{{1,60}}))(?:\s*/\s*({_INTEGER}))?")
_FRACTION = re.compile(rf"([+-]?)\\[dt]?frac\s*\{{\s*({_INTEGER})\s*\}}\s*\{{\s*({_INTEGER})\s*\}}")

_TERMS = r"(?:[-+*/^(){}0-9\s]|\\(?:times|cdot|div|[dt]?frac))+"
# Not of decimals, which may be rounded, nor of words, which may be units: 120 minutes = 2 hours.
_CLAIM = re.compile(rf"({_TERMS})=(?:{_TERMS}=)*({_TERMS})")
_BASE = re.compile(r"[0-9]\)?_\{?\s*([0-9]+)")


def math_equal(answer: str, gold: str) -> float:
    """1 if the two are mathematically equal, else 0.

    Two plain numbers (see `plain_number`) must be exactly equal, so 0.333 is not 1/3. To a plain gold number the
    answer may add a unit, whatever it is called (see `read_quantity`), because the question has said what to count.
    For the rest math_verify decides, with LaTeX, sets, intervals and units, and works out expressions such as
    12 + 5; an answer on which it fails, that takes more than `CPU_SECONDS`, or that is known from its look to
    take longer (see `cost.py`) scores 0. It looks at the right side of an equation alone and ignores the bases
    of numerals; here 42 = 7 is not 7, and a base that an answer names must be that of the gold answer, or ten.

    Raises:
        EnvError: math_verify cannot be started at all, which is the installation's fault and not the
            answer's.
    """
    answer, gold = _bare(answer), _bare(gold)
    if answer == gold:
        return 1.0
    if len(answer) > MAX_CHARS or not answer:
        return 0.0
    gold_number = plain_number(gold)
    answer_number = None if gold_number is None else _number_with_unit(answer)
    if answer_number is not None:
        return float(answer_number == gold_number)
    claim = None if "=" in gold else _CLAIM.fullmatch(answer)
    if claim:
        return min(math_equal(claim[1], gold), math_equal(claim[2], gold))
    if not set(_BASE.findall(answer)) <= {"10", *_BASE.findall(gold)}:
        return 0.0
    return float(not is_too_costly(answer) and _pool.equal(answer, gold))


def plain_number(text: str) -> Fraction | None:
    r"""The value of a fraction a/b or \frac{a}{b}, or of what `read_number` reads; None for anything else.

    None too for percent and for x = 17, which are equal to other things than the bare number.
    """
    text = text.strip()
    latex = _FRACTION.fullmatch(text)
    plain = None if latex else _NUMBER.fullmatch(text)
    if latex:
        numerator, denominator = latex[1] + latex[2], latex[3]
    elif plain:
        numerator, denominator = plain[1], plain[2] or "1"
    else:
        return _value(None if "=" in text else read_number(text))
    divisor = int(denominator.replace(",", ""))
    return Fraction(numerator.replace(",", "")) / divisor if divisor else None


def _number_with_unit(text: str) -> Fraction | None:
    number = plain_number(text)
    return _value(read_quantity(text)) if number is None else number


def _value(number: Number | None) -> Fraction | None:
    return None if number is None or number.percent else number.value


def _bare(text: str) -> str:
    return text.strip().strip("$").strip().replace("°", r"^{\circ}")


def _new_pool() -> MathPool:
    return MathPool(min(os.cpu_count() or 1, MAX_PROCESSES), CPU_SECONDS, _CACHED_VERDICTS)


def _start_afresh() -> None:
    # A forked process may have been forked off amid a question, with locks held for ever.
    global _pool
    _pool.forget()
    _pool = _new_pool()


_pool = _new_pool()
atexit.register(lambda: _pool.close())
os.register_at_fork(after_in_child=_start_afresh)
