"""What the site adds to the pages: equations, and a navigation of those that are there.

A block fenced as `math` is LaTeX. GitHub draws such blocks itself; here they become MathML, which browsers draw without
a script or a font from elsewhere. Some pages are written by commands, such as the evidence: the navigation names them,
and has them once they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig

_BLOCK = re.compile(r"^```math\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Called by mkdocs with its settings; returns them with a navigation of the pages that are there."""
    config.nav = [item for item in (config.nav or []) if _is_there(item, Path(config.docs_dir))]
    return config


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs with each page's text; returns it with its equations as MathML.

    Args:
        markdown: the page.
        **_: what else mkdocs passes to hooks, and these have no use for.
    """
    return _BLOCK.sub(lambda block: "\n".join(_lines(block[1])), markdown)


def _is_there(item: Any, docs: Path) -> bool:
    """Whether a navigation entry, {title: page or section}, leads somewhere; missing pages leave their section."""
    ((_, target),) = item.items()
    if isinstance(target, list):
        target[:] = [inner for inner in target if _is_there(inner, docs)]
        return bool(target)
    return (docs / target).is_file()


def _lines(block: str) -> Iterator[str]:
    """One equation a line of the block, each a paragraph of its own."""
    for line in block.splitlines():
        if line.strip():
            yield f"\n{convert(line, display='block')}\n"
