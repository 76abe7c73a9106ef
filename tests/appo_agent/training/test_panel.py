"""The figures of a step in words, and a panel that any window and any text leave whole."""

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from appo_agent.training.panel import Shown, as_line, panel, shown_figures

FIGURES = {
    "train/reward": 0.3141,
    "train/success": 0.5,
    "branching/branches": 1234.0,
    "branching/cold_fraction": 0.25,
    "seconds/tool_call": 0.00123,
    "mismatch/mean": 1.23e-7,
    "errors/rollouts": 0.0,
    "tokens/total": 10,
}


def _lines(width: int, note: str = "", figures: tuple[Shown, ...] | None = None) -> list[str]:
    console = Console(width=width, height=50, force_terminal=True, color_system=None)
    shown = panel(
        Text("bar", no_wrap=True, overflow="ellipsis"),
        "step 3  5,000 tok/s",
        shown_figures(FIGURES) if figures is None else figures,
        note,
    )
    lines = console.render_lines(shown, pad=False)
    return ["".join(segment.text for segment in line if not segment.control) for line in lines]


def test_a_step_in_words() -> None:
    assert as_line(shown_figures(FIGURES)) == (
        "reward +0.31  success 0.50  branches 1,234  cold 25%  tool 1.23 ms  mismatch 1e-07"
    )


def test_figures_that_a_step_does_not_have_are_left_out() -> None:
    assert shown_figures({}) == ()
    assert shown_figures({"train/reward": -1.0, "phase": "train"}) == (Shown("reward", "-1.00"),)


def test_trouble_is_said() -> None:
    assert shown_figures({"errors/rollouts": 3.0}) == (Shown("broken", "3 rollouts"),)
    assert shown_figures({"mismatch/mean": math.nan}) == (Shown("mismatch", "not finite"),)
    assert shown_figures({"seconds/tool_call": 12.345}) == (Shown("tool", "12.3 s"),)


def test_a_wide_window_shows_everything() -> None:
    lines = _lines(120, note="<answer> yes </answer>")
    assert lines[0].startswith("bar") and lines[1].startswith("step 3")
    assert lines[2].split() == ["reward", "success", "branches", "cold", "tool", "mismatch"]
    assert lines[3].split() == ["+0.31", "0.50", "1,234", "25%", "1.23", "ms", "1e-07"]
    assert lines[4].startswith("<answer> yes </answer>")


@pytest.mark.parametrize("width", [1, 2, 3, 5, 8, 13, 20, 40, 60, 79])
def test_any_window_has_the_same_lines_none_wider_than_itself(width: int) -> None:
    lines = _lines(width, note="word " * 100)
    assert len(lines) == 5
    assert all(cell_len(line) <= width for line in lines)


@given(st.text(max_size=600), st.integers(10, 100))
def test_a_note_never_acts_on_the_terminal(note: str, width: int) -> None:
    lines = _lines(width, note=note, figures=())
    assert len(lines) == (3 if note else 2)
    acting = {letter for line in lines for letter in line if unicodedata.category(letter) in ("Cc", "Cs")}
    assert not acting and not set("\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068") & set("".join(lines))


def test_escapes_and_markup_in_a_note_are_shown_as_they_are() -> None:
    last = _lines(80, note="\x1b[2J\x1b]0;mine\x07 [bold]x[/] \u202eabc\nnext")[-1]
    assert last.rstrip() == "\u241b[2J\u241b]0;mine\u2407 [bold]x[/] \\u202eabc next"
