"""The notebook runs from its first cell to its last, and comes without outputs."""

import json
from typing import Any

import matplotlib
import pytest

from tests.examples.loading import EXAMPLES

NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def _cells(name: str) -> list[dict[str, Any]]:
    return json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["cells"]


def _code(name: str) -> list[str]:
    return ["".join(cell["source"]) for cell in _cells(name) if cell["cell_type"] == "code"]


@pytest.fixture
def no_window() -> None:
    matplotlib.use("agg")


@pytest.mark.usefixtures("no_window")
def test_branching_by_hand_finds_a_token_whose_branches_differ(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, code in enumerate(_code("branching_by_hand.ipynb")):
        exec(compile(code, f"cell {number}", "exec"), names)
    shown = capsys.readouterr().out
    assert len({branch.reward for branch in names["grown"].branches}) > 1
    assert "1 different token in six draws" in shown
    assert names["point"].score == float(names["scores"][names["row"]][names["own"]].max())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_not_kept(path: Any) -> None:
    cells = _cells(path.name)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if "outputs" in cell)
    assert len({cell["id"] for cell in cells}) == len(cells)
