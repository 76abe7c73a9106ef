"""A forest plot: figures with their intervals, and published numbers beside them, as SVG.

Owns the drawing. It is written by hand and not by a plotting library, so that a report needs none, its text can be
searched, and the same figures give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
"""Pixels; all coordinates below are in pixels too."""
LEFT, RIGHT, TOP = 250, 40, 34
MARK = 5
LINE = 22
GAP = 12
OWN, OTHERS, GRID, TEXT = "#0b63b5", "#b5540b", "#d8dce1", "#1f2328"


@dataclass(frozen=True)
class Reference:
    """A number of somebody else.

    Attributes:
        label: whose it is.
        value: in [0, 1].
    """

    label: str
    value: float


@dataclass(frozen=True)
class ForestRow:
    """A benchmark in the plot.

    Attributes:
        label: of the benchmark.
        value: our figure, in [0, 1].
        interval: low and high ends; None where there is none.
        references: published numbers.
    """

    label: str
    value: float
    interval: tuple[float, float] | None
    references: tuple[Reference, ...] = ()

    def __post_init__(self) -> None:
        shares = (self.value, *(self.interval or ()), *(reference.value for reference in self.references))
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"a forest plot shows shares in [0, 1], got {shares} for {self.label!r}")


def forest_svg(rows: Sequence[ForestRow]) -> str:
    """The plot: a block a row, our figure on its first line and a published number on each further one.

    Returns:
        One SVG element, for a page or, with an XML declaration, a file.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("a forest plot needs at least one row")
    height = TOP + sum(_height(row) for row in rows)
    drawn = [_grid(height)]
    top = TOP
    for row in rows:
        drawn.append(_row(row, top))
        top += _height(row)
    title = "Forest plot: figures with 95% intervals beside published numbers"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}">\n' + "\n".join(drawn) + "\n</svg>"
    )


def _height(row: ForestRow) -> int:
    return (1 + len(row.references)) * LINE + GAP


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _grid(height: int) -> str:
    lines = []
    for percent in range(0, 101, 20):
        x = _x(percent / 100)
        lines.append(f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{height}" stroke="{GRID}"/>')
        lines.append(f'<text x="{x}" y="{TOP - 14}" text-anchor="middle">{percent}%</text>')
    return "\n".join(lines)


def _row(row: ForestRow, top: int) -> str:
    middle = top + LINE // 2
    x = _x(row.value)
    told = f"{row.value:.1%}"
    lines = []
    if row.interval is not None:
        low, high = map(_x, row.interval)
        told += f", {row.interval[0]:.1%} to {row.interval[1]:.1%}"
        lines.append(f'<line x1="{low}" y1="{middle}" x2="{high}" y2="{middle}" stroke="{OWN}" stroke-width="2"/>')
        lines += [
            f'<line x1="{end}" y1="{middle - 4}" x2="{end}" y2="{middle + 4}" stroke="{OWN}"/>' for end in (low, high)
        ]
    lines.append(_label(row.label, middle, "600"))
    lines.append(
        f'<rect x="{x - MARK}" y="{middle - MARK}" width="{2 * MARK}" height="{2 * MARK}" fill="{OWN}">'
        f"<title>{escape(f'{row.label}: {told}')}</title></rect>"
    )
    for place, reference in enumerate(row.references, 1):
        y, x = middle + place * LINE, _x(reference.value)
        lines.append(_label(reference.label, y, "400"))
        diamond = f"M{x} {y - MARK}L{x + MARK} {y}L{x} {y + MARK}L{x - MARK} {y}Z"
        told = escape(f"{reference.label}: {reference.value:.1%}")
        lines.append(
            f'<path d="{diamond}" fill="none" stroke="{OTHERS}" stroke-width="1.5"><title>{told}</title></path>'
        )
    return "\n".join(lines)


def _label(text: str, middle: int, weight: str) -> str:
    return f'<text x="{LEFT - 14}" y="{middle + 4}" text-anchor="end" font-weight="{weight}">{escape(text)}</text>'
