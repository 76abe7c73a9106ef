"""Where the marks of a forest plot stand."""

import xml.etree.ElementTree as ElementTree

import pytest
from appo_benchmarks.forest_plot import ForestRow, Reference, forest_svg

SVG = "{http://www.w3.org/2000/svg}"
ROWS = [
    ForestRow("GSM8K", 0.5, (0.25, 0.75), (Reference("APPO <7B>", 1.0),)),
    ForestRow("GAIA", 0.0, None),
]


def test_marks_stand_where_their_values_are() -> None:
    drawn = ElementTree.fromstring(forest_svg(ROWS))
    squares = [float(square.attrib["x"]) + 5 for square in drawn.iter(f"{SVG}rect")]
    # The axis runs from 250 to 820 pixels.
    assert squares == [535.0, 250.0]
    bars = [line for line in drawn.iter(f"{SVG}line") if line.get("stroke-width") == "2"]
    assert [(float(bar.attrib["x1"]), float(bar.attrib["x2"])) for bar in bars] == [(392.5, 677.5)]
    (diamond,) = drawn.iter(f"{SVG}path")
    assert diamond.attrib["d"].startswith("M820.0 ")


def test_labels_and_values_can_be_read_as_text() -> None:
    drawn = ElementTree.fromstring(forest_svg(ROWS))
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    titles = [title.text for title in drawn.iter(f"{SVG}title")]
    assert {"GSM8K", "APPO <7B>", "GAIA", "0%", "100%"} <= set(texts)
    assert titles == ["GSM8K: 50.0%, 25.0% to 75.0%", "APPO <7B>: 100.0%", "GAIA: 0.0%"]


def test_no_row_covers_another() -> None:
    drawn = ElementTree.fromstring(forest_svg(ROWS))
    heights = [float(text.attrib["y"]) for text in drawn.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
    assert all(later - earlier >= 22 for earlier, later in zip(heights, heights[1:], strict=False))
    assert max(heights) < float(drawn.attrib["viewBox"].split()[3])


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shares in \[0, 1\]"):
        ForestRow("GSM8K", 50.0, None)
    with pytest.raises(ValueError, match="at least one row"):
        forest_svg([])
