"""The report as one HTML page that needs nothing else: a forest plot, then figures, items and provenance.

Owns the page; what is in a report is said by `report.py`. All text that comes from outside, such as names of models, is
escaped, and the page holds no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from appo_benchmarks.forest_plot import ForestRow, Reference, forest_svg
from appo_benchmarks.judge import PROMPT, PROMPT_VERSION
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.report import HEADLINES, Report, headline_cells, ledger, mean_line, notes, provenance, unfinished

PAGE_NAME = "report.html"
STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d8dce1; padding: .3rem .7rem .3rem 0; text-align: left; vertical-align: top; }
pre { background: #f4f6f8; padding: 1rem; white-space: pre-wrap; }
li { overflow-wrap: anywhere; }
.warning { border-left: 4px solid #b5540b; padding-left: .8rem; }"""


def as_html(report: Report) -> str:
    """The report for people, with a plot."""
    info = report.info
    title = escape(f"{info.model}, method {info.method}")
    parts = [f"<h1>{title}</h1>", *_unfinished(report), forest_svg(_rows(report))]
    parts.append(
        "<p>Squares are the figures of this run with 95% intervals; diamonds are published numbers, "
        "which were measured on other items where a benchmark's note says so.</p>"
    )
    parts.append(_table(HEADLINES, headline_cells(report)))
    parts.append(f"<p>{escape(' '.join(filter(None, (mean_line(report), ledger(report)))))}</p>")
    for name, lines in notes(report):
        parts += [f"<h2>{escape(name)}</h2>", _list(lines)]
    parts += ["<h2>Provenance</h2>", _table(("", ""), provenance(report))]
    if report.judge:
        parts.append(f"<h2>Judge: {escape(report.judge)}, prompt version {PROMPT_VERSION}</h2>")
        parts.append(f"<pre>{escape(PROMPT)}</pre>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>\n{STYLE}\n</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _rows(report: Report) -> list[ForestRow]:
    rows = []
    for figures in report.figures:
        benchmark = benchmark_of(figures.benchmark)
        published = tuple([Reference(one.system, one.value / 100) for one in benchmark.published])
        rows.append(ForestRow(benchmark.title, figures.headline, figures.interval, published))
    return rows


def _unfinished(report: Report) -> list[str]:
    told = unfinished(report)
    return [f'<p class="warning">{escape(told)}</p>'] if told else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>"] if any(head) else []
    lines += [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _list(lines: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(line)}</li>" for line in lines) + "\n</ul>"
