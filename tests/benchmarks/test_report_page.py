"""The page of a report: what it says, and that nothing from outside becomes markup."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from appo_benchmarks.benchmark import Item
from appo_benchmarks.play import PlaySettings
from appo_benchmarks.record import EpisodeRecord, TurnRecord, to_line
from appo_benchmarks.report import make_report
from appo_benchmarks.report_page import as_html
from appo_benchmarks.results import DataSource, ResultFolder, RunInfo

ODD = "<script>alert(1)</script> & co"


class Reader(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def folder(tmp_path: Path) -> ResultFolder:
    """Two items, one answered right and one not played yet."""
    made = ResultFolder(tmp_path / "out")
    items = [Item(f"gsm8k/{number}", "1 + 1?", ("2",)) for number in range(2)]
    source = DataSource("gsm8k", 2, "ids", "bytes", 0, "Answer.")
    info = RunInfo(ODD, "cot", "", 1, 0, PlaySettings(seed=7), (source,), ("math-verify 0.8",))
    made.begin(info, {"gsm8k": items})
    turn = TurnRecord("\\boxed{2}", "", "stop", 1, 1)
    record = EpisodeRecord("gsm8k/0", 0, (turn,), "2", True, False, "", 1.0)
    made.outputs("gsm8k").write_text(to_line(record))
    return made


def test_a_model_with_an_odd_name_is_text_and_the_page_has_no_script(folder: ResultFolder) -> None:
    reader = Reader()
    reader.feed(as_html(make_report(folder)))
    assert ODD in reader.text and "script" not in reader.tags and "svg" in reader.tags


def test_the_page_says_what_is_unfinished_and_how_to_get_the_figures_again(folder: ResultFolder) -> None:
    report = make_report(folder)
    page = as_html(report)
    assert "Unfinished: 1 episodes were not played yet." in page
    assert "<td>seed</td><td>7</td>" in page and "<td>math-verify</td><td>0.8</td>" in page
    assert report.outputs_sha256[0] in page and "file sha256 bytes" in page
    assert as_html(make_report(folder)) == page
