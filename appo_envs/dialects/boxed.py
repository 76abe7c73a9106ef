r"""The content of LaTeX's \boxed{...}, which marks an answer."""

from __future__ import annotations

import re

_BRACES = re.compile(r"\\boxed\s*\{|\\[{}\\]|[{}]")


def last_boxed(text: str) -> str | None:
    r"""Content of the last complete \boxed{...}, with balanced braces inside and single spaces.

    Returns:
        The content, possibly empty; None when the text holds no complete box.
    """
    found: tuple[int, int] | None = None
    open_braces: list[int] = []
    for brace in _BRACES.finditer(text):
        token = brace.group()
        if token == "{":
            open_braces.append(-1)
        elif token.startswith("\\boxed"):
            open_braces.append(brace.end())
        elif token == "}" and open_braces:
            start = open_braces.pop()
            if start >= 0:
                found = (start, brace.start())
    return None if found is None else " ".join(text[found[0] : found[1]].split())
