r"""Scores of answers that are numbers.

Owns reading a number as people write it: digits with grouped thousands, decimals, powers of ten, fractions, percent,
scale words; and the same with a unit of whatever name. A calculation is not a number: 12 + 5, 34/2 and 2^4 are work
left to do and score 0 here, while `math_equal`, which is for expressions, does that work itself.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

MAX_CHARS = 200
"""Longer texts are not numbers."""

_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,60})"
_EXPONENT = r"[+-]?[0-9]{1,3}"
_DECIMAL = re.compile(
    rf"(?P<decimal>{_INTEGER}(?:\.[0-9]{{0,60}})?|\.[0-9]{{1,60}})"
    rf"(?:[eE](?P<e>{_EXPONENT})|\s*(?:\\times|\\cdot|[x×*·])\s*10\s*(?:\^|\*\*)\s*"
    rf"(?:\{{\s*(?P<braced>{_EXPONENT})\s*\}}|\(\s*(?P<bracketed>{_EXPONENT})\s*\)|(?P<bare>{_EXPONENT})))?"
)
_PLAIN_FRACTION = re.compile(rf"(?:(?P<whole>{_INTEGER})\s+)?(?P<top>{_INTEGER})\s*/\s*(?P<bottom>{_INTEGER})")
_LATEX_FRACTION = re.compile(
    rf"(?:(?P<whole>{_INTEGER})\s*)?\\[dt]?frac\s*\{{\s*(?P<top>{_INTEGER})\s*\}}\s*\{{\s*(?P<bottom>{_INTEGER})\s*\}}"
)
_SHAPE = re.compile(
    r"(?P<sign>[+-]?)\s*(?:\\?\$)?\s*(?P<digits>\S.*?)"
    r"(?:\s+(?P<scale>thousand|million|billion|trillion))?\s*(?P<percent>\\?%|percent|per\s+cent)?",
    re.IGNORECASE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"\A[A-Za-z][A-Za-z0-9_]{0,20}\s*=\s*")
_WRAPPED = re.compile(r"\\boxed\s*\{(.*)\}|\\\((.*)\\\)|\$(.*)\$", re.DOTALL)
_UPRIGHT = re.compile(r"\\(?:text|textrm|mathrm|mbox)\s*\{([^{}]*)\}")
_SIGNED_FRACTION = re.compile(r"\A(\\[dt]?frac\s*\{\s*)([+-])")
_GROUPING = re.compile(r"(?<=[0-9])(?:\{,\}|\\,|[\u00a0\u2009\u202f])(?=[0-9]{3}(?![0-9]))")

_BOLD = re.compile(r"\A(\*{1,3})([^*]+)\1(?=\s|\Z)")
_CURRENCY = "[$\u00a2-\u00a5\u20a0-\u20cf]"
_PRICE = re.compile(rf"\A([+-]?)\s*{_CURRENCY}|\s*\\?{_CURRENCY}\Z")
# A first word of one letter is more likely a variable: 18 x is no 18.
_UNIT = re.compile(
    r"(?:(?:\s+|\s*/\s*)(?!(?:thousand|million|billion|trillion|percent|per\s+cent)\b)[^\W\d_]{2,}"
    r"(?:[\s/-]+[^\W\d_]+){0,5}|\s*(?:\^\s*\{?\s*\\circ\s*\}?|°)\s*[CF]?)\Z",
    re.IGNORECASE,
)
# With these the number is another one, or not the only one.
_NO_UNITS = frozenset(
    "and or to plus minus than out over half hundred squared cubed factorial base mod choose "
    "pi sqrt sin cos tan ln log exp".split()
)


class Number(NamedTuple):
    """A number as it was written.

    Attributes:
        value: exactly; 50% is 1/2.
        percent: it was written in percent.
        unit: what followed or preceded it; empty without.
    """

    value: Fraction
    percent: bool = False
    unit: str = ""


@dataclass(frozen=True)
class NumberEqual:
    """Grades numbers, exactly or within a tolerance.

    An answer is right if it differs from the gold answer by no more than the larger of the two tolerances. The
    number must be the whole answer: "17 or 18" and "12 + 5" are none.

    Attributes:
        absolute: tolerance in the unit of the numbers, at least 0.
        relative: tolerance as a part of the gold answer, at least 0.
        units: ways of writing the one unit of the answers, such as ("km", "kilometres"). The answer may have it,
            before or after the number, and changes nothing; any other unit makes it no number.
        bare_percent: an answer without a percent sign may mean percent when the gold answer has the sign.

    Raises:
        ValueError: a tolerance is negative or not finite.
    """

    absolute: float = 0.0
    relative: float = 0.0
    units: tuple[str, ...] = ()
    bare_percent: bool = False

    def __post_init__(self) -> None:
        for name, tolerance in (("absolute", self.absolute), ("relative", self.relative)):
            if not 0 <= tolerance < math.inf:
                raise ValueError(f"the {name} tolerance must be a finite number of at least 0, got {tolerance}")

    def __call__(self, answer: str, gold: str) -> float:
        """1 if the answer is the gold number, else 0.

        Raises:
            ValueError: the gold answer is no number.
        """
        right = read_number(gold, self.units)
        if right is None:
            raise ValueError(
                f"a gold answer must be a number, with no unit but those in units={self.units}, got {gold!r:.80}; "
                "expressions are graded by math_equal"
            )
        given = read_number(answer, self.units)
        if given is None:
            return 0.0
        if self._near(given.value, right.value):
            return 1.0
        in_percent = self.bare_percent and right.percent and not given.percent
        return float(in_percent and self._near(given.value / 100, right.value))

    def _near(self, given: Fraction, right: Fraction) -> bool:
        # The tolerances as they are written: 0.01 is a hundredth and not the nearest binary fraction.
        absolute, relative = Fraction(str(self.absolute)), Fraction(str(self.relative))
        return abs(given - right) <= max(absolute, relative * abs(right))


def number_equal(answer: str, gold: str) -> float:
    """1 if the answer is a number and exactly the gold one, else 0; see `NumberEqual` for tolerances and units.

    Raises:
        ValueError: the gold answer is no number.
    """
    return _exactly(answer, gold)


def read_number(text: str, units: tuple[str, ...] = ()) -> Number | None:
    r"""The number that the whole text is, or None.

    Read are 1,234.5 and 1.2e5 and 1.2 x 10^5 and 3 1/2 and \frac{1}{2} and 1.5 million and 50%, with a dollar sign or
    "x =" before them, in LaTeX's markup or without. Not read: decimal commas, digits of other scripts, number words,
    and fractions whose value is an integer, because 34/2 is a division and not a number.

    Args:
        text: any text.
        units: names of a unit that may come before or after it.
    """
    if len(text) > MAX_CHARS:
        return None
    text, unit = _without_unit(_tidied(_ASSIGNMENT.sub("", _tidied(text))), units)
    shape = _SHAPE.fullmatch(text)
    value = _value(shape["digits"]) if shape else None
    if shape is None or value is None:
        return None
    if shape["scale"]:
        value *= _SCALES[shape["scale"].lower()]
    if shape["percent"]:
        value /= 100
    return Number(-value if shape["sign"] == "-" else value, shape["percent"] is not None, unit)


def read_quantity(text: str) -> Number | None:
    """The number of a text that is one number and its unit, or None.

    The unit is a currency sign, degrees, or up to six words after the number, whatever they mean: €18, 18 dollars,
    18/hour, 5 years old. The text may be bold in Markdown. Not read: words before the number ("not 18"), and words
    after it that make it another number or one of several ("18 hundred", "18 or nineteen").

    Args:
        text: any text, also a number without a unit.
    """
    if len(text) > MAX_CHARS:
        return None
    text = _tidied(_BOLD.sub(r"\2", _tidied(text)))
    found = _UNIT.search(text)
    unit = found[0] if found else ""
    if not _NO_UNITS.isdisjoint(re.split(r"[\s/-]+", unit.lower())):
        return None
    number = read_number(_PRICE.sub(r"\1", text.removesuffix(unit), count=1))
    return number and number._replace(unit=unit.strip(" /"))


def _tidied(text: str) -> str:
    text = text.strip().rstrip(".")
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped:
        text = wrapped[wrapped.lastindex or 0]
    text = _UPRIGHT.sub(r" \1 ", text.replace("\N{MINUS SIGN}", "-"))
    return _SIGNED_FRACTION.sub(r"\2\1", _GROUPING.sub(",", text).strip())


def _without_unit(text: str, units: tuple[str, ...]) -> tuple[str, str]:
    for unit in sorted(units, key=len, reverse=True):
        if unit and text.endswith(unit):
            rest = text[: -len(unit)]
        elif unit and text.startswith(unit):
            rest = text[len(unit) :]
        else:
            continue
        # "5 m" must not be taken out of "5 cm".
        edge = rest[-1:] if text.endswith(unit) else rest[:1]
        if not edge.isalpha():
            return rest.strip(), unit
    return text, ""


def _value(digits: str) -> Fraction | None:
    decimal = _DECIMAL.fullmatch(digits)
    if decimal:
        exponent = decimal["e"] or decimal["braced"] or decimal["bracketed"] or decimal["bare"] or "0"
        return Fraction(decimal["decimal"].replace(",", "")) * Fraction(10) ** int(exponent)
    fraction = _PLAIN_FRACTION.fullmatch(digits) or _LATEX_FRACTION.fullmatch(digits)
    if fraction is None:
        return None
    top, bottom = _integer(fraction["top"]), _integer(fraction["bottom"])
    if bottom == 0 or top % bottom == 0 or (fraction["whole"] and top > bottom):
        return None
    return _integer(fraction["whole"] or "0") + Fraction(top, bottom)


def _integer(digits: str) -> int:
    return int(digits.replace(",", ""))


_exactly = NumberEqual()
