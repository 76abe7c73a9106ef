"""The report as one HTML document that needs nothing else: no network, no server, no other file.

Owns joining the page's parts in `page/`, and keeping what runs contain from ever becoming markup or script: all of it
is compressed and in base64, the title is escaped, and the content security policy allows exactly our own scripts and
styles, by their hashes, and no loads.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from appo_agent.report.chunk import to_json
from appo_agent.report.library import Chunk
from appo_agent.report.summary import ReportSummary

PAGE = Path(__file__).parent / "page"

SCRIPTS = (
    "dom",
    "color",
    "data",
    "path",
    "route",
    "keys",
    "forest",
    "transcript",
    "chart",
    "page_curves",
    "page_steps",
    "page_tree",
    "page_pair",
    "page_evaluations",
    "app",
)
"""Files of the page in the order they are run. Each defines one constant named after itself, and uses earlier ones."""

_PLACE = re.compile(r"\{(policy|title|style)\}")


def write_document(path: Path, title: str, summary: ReportSummary, chunks: Iterable[Chunk]) -> int:
    """Write a report that is opened by double click; it appears under its name only when it is whole.

    Returns:
        Its size in bytes.

    Raises:
        OSError: the disk refused.
    """
    return write_whole(path, document(title, summary, chunks))


def write_whole(path: Path, parts: Iterable[str]) -> int:
    """Write a document's parts; it appears under its name only when it is whole.

    Returns:
        Its size in bytes.

    Raises:
        OSError: the disk refused.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", errors="replace", newline="\n") as stream:
            stream.writelines(parts)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


def document(title: str, summary: ReportSummary | None, chunks: Iterable[Chunk] = ()) -> Iterator[str]:
    """The parts of the document, in order.

    Args:
        title: of the page, any text.
        summary: None for a page that asks its server instead.
        chunks: the trees that `summary` lists.
    """
    library, program, style = _part("vendor/uPlot.iife.min.js"), _program(), _style()
    connect = "'self'" if summary is None else "'none'"
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(library)} {_hash(program)}",
            f"style-src {_hash(style)}",
            "img-src data:",
            f"connect-src {connect}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    head, body = _part("index.html").split("{content}")
    held = {"policy": policy, "title": html.escape(title), "style": style}
    # In one pass: a title may hold the name of a place as well.
    yield _PLACE.sub(lambda place: held[place[1]], head)
    if summary is not None:
        yield _data_block("summary", zlib.compress(to_json(summary), 6))
        for chunk in chunks:
            yield _data_block(f"chunk:{chunk.key}", chunk.content)
    yield f"<script>{library}</script>\n<script>{program}</script>\n"
    yield body


def _data_block(name: str, content: bytes) -> str:
    encoded = base64.b64encode(content).decode("ascii")
    return f'<script type="application/octet-stream" id="{html.escape(name)}">{encoded}</script>\n'


def _program() -> str:
    return '"use strict";\n' + "\n".join(_part(f"{name}.js") for name in SCRIPTS)


def _style() -> str:
    return _part("vendor/uPlot.min.css") + _part("style.css")


def _part(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
