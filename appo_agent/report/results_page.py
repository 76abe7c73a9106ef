"""A folder of results as one HTML document: pictures, tables and figures as they lie there.

Owns which files are shown and how; what is in them belongs to whoever wrote them. Nothing in them is ever markup: texts
are escaped, pictures are embedded by their bytes, and the content security policy allows no script and no load. Folders
inside that are runs have a report of their own.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from appo_agent.errors import RunError
from appo_agent.training.run_dir import RunDir

DEEPEST = 2
"""Folders below the first that are looked into."""
MOST_ROWS = 1000
LARGEST = 20 * 2**20
"""Bytes of a file; a larger one is named and not shown."""

_PNG = b"\x89PNG\r\n\x1a\n"
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
img { max-width: 100%; background: #fff; border-radius: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
pre { overflow-x: auto; padding: .8rem; background: #8881; border-radius: 4px; font-size: .85rem; }
.quiet { opacity: .7; }
"""


def is_results_folder(path: Path) -> bool:
    """Whether a folder is no run and holds something that the page shows."""
    return path.is_dir() and not RunDir(path).config.is_file() and bool(result_files(path))


def result_files(folder: Path) -> list[Path]:
    """What the page shows of a folder, pictures first, then tables, texts and the rest; each kind by name.

    Links are not followed, so that a folder from elsewhere shows nothing but itself.
    """
    found = [path for path in _files(folder, DEEPEST) if path.suffix.lower() in _SHOWN]
    kinds = list(_SHOWN)
    return sorted(found, key=lambda path: (kinds.index(path.suffix.lower()), path.relative_to(folder)))


def results_document(folder: Path) -> Iterator[str]:
    """The parts of the document, in order.

    Raises:
        RunError: there is nothing to show.
    """
    files = result_files(folder)
    if not files:
        raise RunError(f"{folder} is neither a run nor a folder of results: no {', '.join(_SHOWN)} file is in it")
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = html.escape(folder.resolve().name)
    yield (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>\n"
    )
    for path in files:
        yield f"<h2>{html.escape(str(path.relative_to(folder)))}</h2>\n{_section(path)}\n"
    yield "</body></html>\n"


def _files(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        elif depth and path.is_dir() and not RunDir(path).config.is_file():
            yield from _files(path, depth - 1)


def _section(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            return f'<p class="quiet">not shown: larger than {LARGEST // 2**20} MB</p>'
        return _SHOWN[path.suffix.lower()](path.read_bytes())
    except OSError as error:
        return f'<p class="quiet">cannot be read: {html.escape(error.strerror or str(error))}</p>'


def _picture(content: bytes) -> str:
    if not content.startswith(_PNG):
        return '<p class="quiet">not a PNG</p>'
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(content).decode("ascii")}">'


def _table(content: bytes) -> str:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline="")))
    except csv.Error as error:
        return f'<p class="quiet">not a table: {html.escape(str(error))}</p>'
    head, *body = [_row(row, "td" if place else "th") for place, row in enumerate(rows[: MOST_ROWS + 1])] or [""]
    more = f'<p class="quiet">and {len(rows) - MOST_ROWS - 1:,} rows more</p>' if len(rows) > MOST_ROWS + 1 else ""
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(body)}</tbody></table></div>{more}'


def _row(cells: list[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(_rounded(cell))}</{tag}>' for cell in cells)}</tr>"


def _rounded(cell: str) -> str:
    """Four digits of a number with a fraction: what a reader compares. The file has all of them."""
    try:
        return f"{float(cell):.4g}" if "." in cell else cell
    except ValueError:
        return cell


def _text(content: bytes) -> str:
    return f"<pre>{html.escape(content.decode('utf-8', 'replace'))}</pre>"


def _folded(content: bytes) -> str:
    return f"<details><summary>{len(content):,} bytes</summary>{_text(content)}</details>"


_SHOWN: Mapping[str, Callable[[bytes], str]] = {
    ".png": _picture,
    ".md": _text,
    ".csv": _table,
    ".json": _folded,
    ".toml": _folded,
}
"""How files are shown, by suffix, in the order of the page."""
