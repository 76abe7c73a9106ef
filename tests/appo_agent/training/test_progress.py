"""A panel where there is a terminal that can show one, plain lines elsewhere, nothing where nobody looks."""

import io

import pytest
from rich.console import Console

from appo_agent.training import progress
from appo_agent.training.panel import Shown
from appo_agent.training.progress import PhasePanel, RunProgress

FIGURES = (Shown("reward", "+0.50"), Shown("cold", "25%"))


def _shown(*, terminal: bool, width: int = 60, dumb: bool = False) -> str:
    stream = io.StringIO()
    environment = {"TERM": "dumb" if dumb else "xterm"}
    console = Console(
        file=stream,
        force_terminal=terminal,
        width=width,
        height=24,
        markup=False,
        highlight=False,
        legacy_windows=False,
        _environ=environment,
    )
    shown = RunProgress(console=console)
    shown.say("appo on an environment whose name is much longer than sixty characters, seed 0")
    with shown.phase("train [x]", 10) as phase:
        phase.show(5, "step 1", FIGURES, note="the \x1b[31m policy")
        phase.show(10, "step 2", FIGURES, note="the \x1b[31m policy")
    return stream.getvalue()


@pytest.mark.parametrize("dumb", [False, True])
def test_a_pipe_and_a_dumb_terminal_get_plain_lines(dumb: bool) -> None:
    lines = _shown(terminal=dumb, dumb=dumb).splitlines()
    assert lines[0].endswith("sixty characters, seed 0")
    assert lines[1:] == ["train [x]: 100%  step 2  reward +0.50  cold 25%  0 s, 0 s left"]


def test_a_terminal_gets_a_panel_whose_last_state_stays() -> None:
    shown = _shown(terminal=True)
    last = shown[shown.rindex("train [x]") :]
    assert "100%" in last and "step 2" in last and "+0.50" in last and "reward" in last
    assert "\x1b[31m policy" not in shown and "\u241b[31m policy" in last


@pytest.mark.parametrize("width", [1, 4, 12, 30, 50, 200])
def test_no_window_makes_the_panel_wider_than_itself_or_higher(width: int) -> None:
    console = Console(width=width, height=24, force_terminal=True, color_system=None)
    phase = PhasePanel("cold start", 10, console)
    phase.show(5, "step 1  5,000 tok/s", FIGURES, note="words " * 50)
    lines = console.render_lines(phase, pad=False)
    assert len(lines) == 5
    assert all(sum(segment.cell_length for segment in line) <= width for line in lines)
    assert _shown(terminal=True, width=width)


def test_lines_come_no_more_often_than_told_and_say_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with RunProgress(console=Console(file=stream, force_terminal=False)).phase("train", 40) as phase:
        for done in range(1, 41):
            now[0] += 1
            phase.show(done, f"step {done}")
    assert stream.getvalue().splitlines() == [
        "train:  25%  step 10  10 s, 30 s left",
        "train:  50%  step 20  20 s, 20 s left",
        "train:  75%  step 30  30 s, 10 s left",
        "train: 100%  step 40  40 s, 0 s left",
    ]


def test_a_phase_without_work_is_done() -> None:
    stream = io.StringIO()
    with RunProgress(console=Console(file=stream, force_terminal=False)).phase("cold start", 0) as phase:
        phase.show(0, "nothing to do")
    assert stream.getvalue().startswith("cold start: 100%  nothing to do")


def test_quiet_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    shown = RunProgress(quiet=True)
    shown.say("nothing")
    with shown.phase("train", 1) as phase:
        phase.show(1, "done", FIGURES)
    assert capfd.readouterr() == ("", "")
