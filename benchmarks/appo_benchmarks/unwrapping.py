r"""Markup around a whole answer, such as \text{Paris}, $5$ or **Paris**.

Owns taking it off where answers are graded as words, which would read \text{Paris} as "textparis". Formulas keep
theirs: `math_equal` reads LaTeX.
"""

from __future__ import annotations

import re

MOST_LAYERS = 8
"""Layers that are taken off; real answers have two or three, and each is a look at the whole text."""
_COMMAND = re.compile(r"\\(?:text|textbf|textrm|mathrm|mbox|boxed)\s*\{")
_BRACES = re.compile(r"\\[{}\\]|[{}]")
_PAIRS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"))


def unwrapped(text: str) -> str:
    """The text without the markup around all of it, and without white space at its ends.

    Markup around a part of the text stays, and so does markup around nothing.
    """
    text = text.strip()
    for _ in range(MOST_LAYERS):
        inner = _inside(text).strip()
        if not inner:
            break
        text = inner
    return text


def _inside(text: str) -> str:
    command = _COMMAND.match(text)
    if command and _closing_brace(text, command.end()) == len(text) - 1:
        return text[command.end() : -1]
    for opens, closes in _PAIRS:
        inner = text[len(opens) : -len(closes)]
        # With a sign inside, as in "$5 or $6$", the two at the ends are no pair.
        if text == opens + inner + closes and opens not in inner and closes not in inner:
            return inner
    return ""


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for brace in _BRACES.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if not depth:
            return brace.start()
    return -1
