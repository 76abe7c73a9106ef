r"""Pairs of answers and what each grader says of them: a table to read.

Each row is the answer, the gold answer, the score, and why. `PAIRS` holds them by grader; `UNLIKE_MATH_VERIFY` holds
rows for `number_equal` on which `math_equal`, that is math_verify, says the opposite.
"""

from __future__ import annotations

from typing import NamedTuple

from appo_envs.grading import (
    DateMatch,
    Grader,
    ListMatch,
    NumberEqual,
    cover_match,
    date_match,
    exact_match,
    f1,
    list_match,
    math_equal,
    number_equal,
    yes_no,
)


class Pair(NamedTuple):
    answer: str
    gold: str
    score: float
    why: str


WORDS = [
    Pair("Lo Mir", "lo mir", 1, "case does not count"),
    Pair("The Lo Mir", "Lo Mir", 1, "nor do articles"),
    Pair("Lo Mir.", "Lo Mir", 1, "nor does punctuation"),
    Pair("Lo-Mir", "LoMir", 1, "a hyphen is punctuation, and no space comes in its place"),
    Pair("Lo-Mir", "Lo Mir", 0, "for the same reason"),
    Pair("Mir, Lo", "Lo Mir", 0, "order counts"),
    Pair("Lo", "Lo Mir", 0, "a part is not enough"),
    Pair("city of Lo Mir", "Lo Mir", 0, "nor is more"),
    Pair("Málaga", "Malaga", 0, "accents count, as in the official scripts"),
    Pair("twelve", "12", 0, "words are not numbers"),
]
COVERING = [
    Pair("It was Lo Mir, in 1920", "Lo Mir", 1, "the gold answer is in it"),
    Pair("Lo and Mir", "Lo Mir", 0, "but not in one piece"),
    Pair("Lo", "Lo Mir", 0, "the answer must cover the gold one, not the other way round"),
    Pair("I do not know", "no", 1, "characters are covered, not words: do not use it for yes and no"),
    Pair("the the", "a", 1, "nothing is left of either"),
    Pair("Paris", "The", 0, "a gold answer of which nothing is left is not in everything"),
]
OVERLAP = [
    Pair("Lo Mir", "Mir Lo", 1, "the same words"),
    Pair("Lo", "Lo Mir", 2 / 3, "precision 1, recall 1/2"),
    Pair("Lo Mir City Hall", "Lo Mir", 2 / 3, "precision 1/2, recall 1"),
    Pair("Lo Lo Lo Lo", "Lo Mir", 1 / 3, "a word counts as often as the gold answer has it"),
    Pair("yes, in 1920", "yes", 0, "yes and no are all or nothing"),
    Pair("Paris", "Lo Mir", 0, "no word in common"),
]
MATHEMATICS = [
    Pair("17", "17.0", 1, "plain numbers are compared exactly"),
    Pair("1/3", "0.333", 0, "exactly"),
    Pair("1,000", "1000", 1, "grouped thousands"),
    Pair("\\frac{2}{4}", "0.5", 1, "fractions"),
    Pair("12 + 5", "17", 1, "expressions are worked out: number_equal does not do it"),
    Pair("x+1", "1+x", 1, "symbols"),
    Pair("x+1", "x+2", 0, "symbols that differ"),
    Pair("\\sqrt{8}", "2\\sqrt{2}", 1, "roots"),
    Pair("(x+1)^2", "x^2+2x+1", 1, "expanded"),
    Pair("\\{2,1\\}", "\\{1,2\\}", 1, "sets have no order"),
    Pair("(2,1)", "(1,2)", 0, "points do"),
    Pair("9^{9^{9^9}}", "3", 0, "nobody waits for this one"),
    Pair("\\boxed{9^{9^{9^9}}}", "3", 0, "nor in a box"),
    Pair("((((((((((((((((((((3))))))))))))))))))))", "3", 0, "nor for brackets in brackets in brackets"),
    Pair("1/0", "0", 0, "no number"),
    Pair("\\frac{1", "1", 0, "broken LaTeX"),
]
NUMBERS = [
    Pair("17", "17", 1, "the same digits"),
    Pair(" 17. ", "17", 1, "white space and a full stop"),
    Pair("+17", "17", 1, "a sign that changes nothing"),
    Pair("-17", "17", 0, "a sign that does"),
    Pair("\N{MINUS SIGN}17", "-17", 1, "the minus sign of typesetters"),
    Pair("--17", "17", 0, "two signs are a calculation"),
    Pair("17.0", "17", 1, "trailing zeros"),
    Pair("017", "17", 1, "leading zeros"),
    Pair(".5", "0.5", 1, "no digit before the point"),
    Pair("16.999", "17", 0, "nearly is not exactly"),
    Pair("1,234,567", "1234567", 1, "commas between thousands"),
    Pair("1,23", "123", 0, "a comma elsewhere may be a decimal one"),
    Pair("3,14", "3.14", 0, "decimal commas are not read: 1,234 would be two numbers"),
    Pair("1{,}234", "1234", 1, "LaTeX's comma between thousands"),
    Pair("1\\,234", "1234", 1, "LaTeX's thin space"),
    Pair("1\N{NARROW NO-BREAK SPACE}234", "1234", 1, "a thin space"),
    Pair("1 234", "1234", 0, "a plain space may stand between two numbers"),
    Pair("1.2e3", "1200", 1, "e for the power of ten"),
    Pair("1.2 \\times 10^{3}", "1200", 1, "powers of ten in LaTeX"),
    Pair("1.2 x 10^-3", "0.0012", 1, "and in plain text"),
    Pair("1.2 \N{MULTIPLICATION SIGN} 10^3", "1200", 1, "with the proper sign"),
    Pair("1.2 * 10**3", "1200", 1, "as in Python"),
    Pair("10^3", "1000", 0, "a power without a factor is a calculation"),
    Pair("1e999999999", "1", 0, "exponents have three digits at most"),
    Pair("1/2", "0.5", 1, "a fraction"),
    Pair("2/4", "1/2", 1, "one that can be reduced"),
    Pair("-1/2", "-0.5", 1, "a negative one"),
    Pair("\\frac{1}{2}", "1/2", 1, "in LaTeX"),
    Pair("-\\dfrac{1}{2}", "-1/2", 1, "in another LaTeX"),
    Pair("3 1/2", "3.5", 1, "a mixed number"),
    Pair("\\frac{-3}{4}", "-0.75", 1, "with the sign in the numerator"),
    Pair("-0.75", "\\frac{-3}{4}", 1, "in the gold answer"),
    Pair("-\\frac{-3}{4}", "0.75", 0, "two signs are a calculation there too"),
    Pair("3\\frac{1}{2}", "3.5", 1, "in LaTeX"),
    Pair("31/2", "3.5", 0, "which needs a space"),
    Pair("3 5/2", "5.5", 0, "and a proper fraction"),
    Pair("34/2", "17", 0, "a division left to do"),
    Pair("\\frac{34}{2}", "17", 0, "also in LaTeX"),
    Pair("17/1", "17", 0, "also by one"),
    Pair("1/0", "0", 0, "no number at all"),
    Pair("12 + 5", "17", 0, "a sum left to do"),
    Pair("20 - 3", "17", 0, "a difference"),
    Pair("17 * 1", "17", 0, "a product"),
    Pair("2^4 + 1", "17", 0, "a power"),
    Pair("\\sqrt{289}", "17", 0, "a root"),
    Pair("(17)", "17", 0, "brackets are part of calculations, and of lists"),
    Pair("17 or 18", "17", 0, "two numbers"),
    Pair("17, 18", "17", 0, "two numbers"),
    Pair("17 apples", "17", 0, "a unit that the grader was not told of"),
    Pair("about 17", "17", 0, "words"),
    Pair("seventeen", "17", 0, "number words are not read"),
    Pair("x = 17", "17", 1, "what it is the value of"),
    Pair("x = 12 + 5", "17", 0, "which does not make a sum a number"),
    Pair("12 + 5 = 17", "17", 0, "nor does its result"),
    Pair("1x = 7", "17", 0, "nor is the rest of an equation a number"),
    Pair("$17$", "17", 1, "LaTeX's dollars"),
    Pair("\\(17\\)", "17", 1, "LaTeX's brackets"),
    Pair("\\boxed{17}", "17", 1, "a box in the box"),
    Pair("\\text{17}", "17", 1, "upright"),
    Pair("$17", "17", 1, "dollars"),
    Pair("-\\$17", "-17", 1, "dollars in LaTeX, owed"),
    Pair("50%", "0.5", 1, "percent"),
    Pair("50\\%", "50 percent", 1, "three ways to write it"),
    Pair("50", "50%", 0, "without the sign it is a hundred times as much"),
    Pair("0.5 percent", "0.5", 0, "and a hundredth with it"),
    Pair("1.5 million", "1,500,000", 1, "scale words"),
    Pair("2 Billion", "2000000000", 1, "in any case"),
    Pair("1.5 m", "1500000", 0, "an m may be a metre"),
    Pair("\u0661\u0667", "17", 0, "digits of other scripts are not read"),
    Pair("\uff11\uff17", "17", 0, "nor wide ones"),
    Pair("1\u00b2", "12", 0, "nor exponents as digits"),
    Pair("1_000", "1000", 0, "nor Python's groups"),
    Pair("0x11", "17", 0, "nor other bases"),
    Pair("nan", "17", 0, "no number"),
    Pair("inf", "17", 0, "no number"),
    Pair("", "17", 0, "nothing"),
]
NEAR = [
    Pair("101", "100", 1, "one percent off, on the edge, where binary fractions would fail"),
    Pair("101.01", "100", 0, "a bit more"),
    Pair("99", "100", 1, "to the other side"),
    Pair("-100", "100", 0, "the sign counts"),
    Pair("0.0001", "0", 0, "one percent of nothing is nothing"),
    Pair("3.14", "3.14159", 1, "pi to two places"),
]
NEAR_ZERO = [
    Pair("0.1", "0", 1, "on the edge"),
    Pair("0.11", "0", 0, "beyond"),
    Pair("1/3", "0.3", 1, "a fraction"),
]
DISTANCES = [
    Pair("5 km", "5", 1, "the unit may be there"),
    Pair("5", "5 km", 1, "or not"),
    Pair("5km", "5 km", 1, "without a space"),
    Pair("5 kilometres", "5 km", 1, "in another way"),
    Pair("5 \\text{ km}", "5", 1, "in LaTeX"),
    Pair("5 m", "5 km", 0, "another unit"),
    Pair("5 miles", "5", 0, "another one"),
    Pair("1.5 thousand km", "1500", 1, "with a scale word"),
    Pair("5 km km", "5", 0, "once is enough"),
]
LENGTHS = [
    Pair("5 m", "5", 1, "metres"),
    Pair("5 cm", "5 m", 0, "a unit that ends the same way"),
]
DURATIONS = [
    Pair("5 thousand", "5000 d", 1, "the end of a word is no unit"),
    Pair("5 days", "5", 0, "nor is its beginning"),
]
EUROS = [
    Pair("\u20ac5", "5", 1, "before the number"),
    Pair("5 EUR", "5", 1, "after it"),
    Pair("EUR 5,000", "5000", 1, "with a space"),
    Pair("\u00a35", "5", 0, "another currency"),
]
PERCENTAGES = [
    Pair("50", "50%", 1, "the question asks for percent"),
    Pair("0.5", "50%", 1, "which is a half"),
    Pair("0.5%", "50%", 0, "but not half a percent"),
    Pair("50%", "0.5", 1, "with the sign it is what it is"),
    Pair("50", "0.5", 0, "where nobody speaks of percent it is fifty"),
]
LISTS = [
    Pair("Ann, Bob", "Bob, Ann", 1, "no order"),
    Pair("Ann and Bob", "Ann, Bob", 1, "and"),
    Pair("Ann, Bob, and Cy", "Ann; Bob; Cy", 1, "the comma before it, and semicolons"),
    Pair("Ann & Bob", "Ann, Bob", 1, "an ampersand"),
    Pair("[Ann, Bob]", "Ann, Bob", 1, "brackets"),
    Pair("\\{Ann, Bob\\}", "(Ann, Bob)", 1, "other brackets"),
    Pair("- Ann\n- Bob", "Ann, Bob", 1, "lines with bullets"),
    Pair("1. Ann\n2) Bob", "Ann, Bob", 1, "lines with numbers"),
    Pair("Ann", "Ann, Bob", 0, "one is missing"),
    Pair("Ann, Bob, Cy", "Ann, Bob", 0, "one too many"),
    Pair("Ann, Ann", "Ann, Bob", 0, "twice the same"),
    Pair("Ann, Ann, Bob", "Ann, Bob, Bob", 0, "as often as in the gold answer"),
    Pair("Anna, Bob", "Ann, Bob", 0, "another name"),
    Pair("Sandy", "S, y", 0, "the and of a name is none"),
    Pair("Rock and Roll; Blues", "Blues; Rock and Roll", 1, "between semicolons, and is a word like others"),
    Pair("Mir, Lo; Ann", "Ann; Mir, Lo", 1, "and a comma too"),
    Pair("", "", 1, "two empty lists"),
    Pair("[]", "Ann", 0, "an empty one"),
]
NUMBER_LISTS = [
    Pair("1, 2, 3", "3, 2, 1", 1, "numbers"),
    Pair("1,2,3", "1;2;3", 1, "without spaces"),
    Pair("1,234; 5", "5 and 1234", 1, "a comma inside a number"),
    Pair("0.5, 1/3", "1/2, 1/3", 1, "equal numbers in different dress"),
    Pair("1+1, 3", "2, 3", 0, "a sum is no number in a list either"),
]
ORDERED = [
    Pair("Ann, Bob", "Ann, Bob", 1, "in order"),
    Pair("Bob, Ann", "Ann, Bob", 0, "out of order"),
    Pair("Ann, Bob", "Ann, Bob, Cy", 0, "too few"),
]
PARTIAL = [
    Pair("Ann, Bob", "Ann, Cy", 0.5, "one of two"),
    Pair("Ann", "Ann, Bob", 2 / 3, "precision 1, recall 1/2"),
    Pair("Dan", "Ann, Bob", 0, "none"),
    Pair("", "Ann", 0, "nothing"),
]
ORDERED_PARTIAL = [
    Pair("Zed, Ann, Bob, Cy", "Ann, Bob, Cy", 6 / 7, "one too many in front shifts nothing"),
    Pair("Cy, Bob, Ann", "Ann, Bob, Cy", 1 / 3, "one item is always in order"),
    Pair("Dan, Eve", "Ann, Bob, Cy", 0, "unless there is none"),
]
POINTS = [
    Pair("(1, 2), (3, 4)", "(3,4), (1,2)", 1, "pairs stay together"),
    Pair("(1, 4), (3, 2)", "(1, 2), (3, 4)", 0, "the same numbers in other pairs"),
]
DATES = [
    Pair("2021-03-04", "2021-03-04", 1, "as ISO 8601 has it"),
    Pair("2021/3/4", "2021-03-04", 1, "year first is never ambiguous"),
    Pair("4 March 2021", "2021-03-04", 1, "in words"),
    Pair("March 4, 2021", "2021-03-04", 1, "month first"),
    Pair("Mar. 4th, 2021", "2021-03-04", 1, "shortened"),
    Pair("the 4th of March, 2021", "2021-03-04", 1, "at length"),
    Pair("4-Mar-2021", "2021-03-04", 1, "with hyphens"),
    Pair("2021 March 4", "2021-03-04", 1, "year first in words"),
    Pair("Sept 4 2021", "2021-09-04", 1, "September in four letters"),
    Pair("Thursday, 4 March 2021", "2021-03-04", 1, "the right weekday"),
    Pair("Friday, 4 March 2021", "2021-03-04", 0, "the wrong one"),
    Pair("5 March 2021", "2021-03-04", 0, "another day"),
    Pair("03/04/2021", "2021-03-04", 0, "March or April: nobody knows"),
    Pair("03/04/2021", "2021-04-03", 0, "so it is neither"),
    Pair("13/04/2021", "2021-04-13", 1, "there is no month 13"),
    Pair("04/13/2021", "2021-04-13", 1, "either way round"),
    Pair("04.04.2021", "2021-04-04", 1, "the same either way"),
    Pair("4.3/2021", "2021-03-04", 0, "two kinds of stroke"),
    Pair("31 February 2021", "2021-03-03", 0, "no such day"),
    Pair("29 February 2020", "2020-02-29", 1, "a leap year"),
    Pair("29 February 1900", "1900-02-28", 0, "which 1900 was not"),
    Pair("March 2021", "2021-03", 1, "a month"),
    Pair("4 March 2021", "2021-03", 0, "a day is not a month"),
    Pair("2021-03", "2021-03-04", 0, "nor a month a day"),
    Pair("1969", "the year 1969", 1, "a year"),
    Pair("1969 or 1970", "1969", 0, "two years"),
    Pair("4 March 21", "2021-03-04", 0, "years have four digits"),
    Pair("0000-01-01", "2021-03-04", 0, "there was no year 0"),
    Pair("", "2021-03-04", 0, "nothing"),
]
DAY_FIRST = [
    Pair("03/04/2021", "2021-04-03", 1, "the day is first"),
    Pair("03/04/2021", "2021-03-04", 0, "and not the month"),
    Pair("04/13/2021", "2021-04-13", 0, "there is no month 13"),
]
MONTH_FIRST = [
    Pair("03/04/2021", "2021-03-04", 1, "the month is first"),
    Pair("03/04/2021", "2021-04-03", 0, "and not the day"),
]
FINER = [
    Pair("20 July 1969", "1969", 1, "more than was asked for"),
    Pair("July 1969", "1969", 1, "a bit more"),
    Pair("20 July 1969", "June 1969", 0, "but wrong"),
    Pair("1969", "July 1969", 0, "less is not more"),
]
YES_NO = [
    Pair("Yes", "yes", 1, "case does not count"),
    Pair("Yes.", "yes", 1, "nor does a stop"),
    Pair("No, because it is not.", "no", 1, "a reason may follow"),
    Pair("Yes, there is no doubt", "yes", 1, "with a no that is not the answer"),
    Pair("true", "yes", 1, "true is yes"),
    Pair("no", "False", 1, "and false is no"),
    Pair("**Yes**", "yes", 1, "bold"),
    Pair("\\text{No}", "no", 1, "in LaTeX"),
    Pair("no", "yes", 0, "the other one"),
    Pair("yes and no", "yes", 0, "both"),
    Pair("Yes. No.", "yes", 0, "both, one after the other"),
    Pair("Yes. No.", "no", 0, "so it is neither"),
    Pair("No idea", "no", 0, "an idiom"),
    Pair("I know", "no", 0, "a part of a word"),
    Pair("not yes", "yes", 0, "not at the beginning"),
    Pair("", "no", 0, "nothing"),
]

PAIRS: dict[str, tuple[Grader, list[Pair]]] = {
    "exact_match": (exact_match, WORDS),
    "cover_match": (cover_match, COVERING),
    "f1": (f1, OVERLAP),
    "math_equal": (math_equal, MATHEMATICS),
    "number_equal": (number_equal, NUMBERS),
    "within one percent": (NumberEqual(relative=0.01), NEAR),
    "within a tenth": (NumberEqual(absolute=0.1), NEAR_ZERO),
    "distances": (NumberEqual(units=("km", "kilometres")), DISTANCES),
    "lengths": (NumberEqual(units=("m",)), LENGTHS),
    "durations": (NumberEqual(units=("d",)), DURATIONS),
    "euros": (NumberEqual(units=("\u20ac", "EUR")), EUROS),
    "percentages": (NumberEqual(bare_percent=True), PERCENTAGES),
    "list_match": (list_match, LISTS),
    "lists of numbers": (ListMatch(number_equal), NUMBER_LISTS),
    "ordered lists": (ListMatch(ordered=True), ORDERED),
    "part of a list": (ListMatch(partial=True), PARTIAL),
    "part of an ordered list": (ListMatch(ordered=True, partial=True), ORDERED_PARTIAL),
    "lists of points": (ListMatch(ListMatch(number_equal, ordered=True)), POINTS),
    "date_match": (date_match, DATES),
    "day first": (DateMatch(day_first=True), DAY_FIRST),
    "month first": (DateMatch(day_first=False), MONTH_FIRST),
    "finer dates": (DateMatch(finer=True), FINER),
    "yes_no": (yes_no, YES_NO),
}

UNLIKE_MATH_VERIFY = [
    Pair("12 + 5", "17", 0, "a sum left to do"),
    Pair("\\sqrt{289}", "17", 0, "a root left to do"),
    Pair("2^4 + 1", "17", 0, "a power left to do"),
    Pair("17 apples", "17", 0, "a unit that nobody asked for"),
    Pair("50", "50%", 0, "a hundred times as much"),
    Pair("12 + 5 = 17", "17", 0, "a calculation with its result"),
    Pair("1.5 million", "1500000", 1, "scale words"),
]
