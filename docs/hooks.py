"""What the site adds to the pages: equations.

A block fenced as `math` is LaTeX. GitHub draws such blocks itself; here they become MathML, which browsers draw without
a script or a font from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs with each page's text; returns it with its equations as MathML.

    Args:
        markdown: the page.
        **_: what else mkdocs passes to hooks, and these have no use for.
    """
    return _BLOCK.sub(lambda block: "\n".join(_lines(block[1])), markdown)


def _lines(block: str) -> Iterator[str]:
    """One equation a line of the block, each a paragraph of its own."""
    for line in block.splitlines():
        if line.strip():
            yield f"\n{convert(line, display='block')}\n"
