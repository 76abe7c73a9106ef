"""Whatever pages and models write, what is shown is text that fits and does nothing."""

import io
import re
import subprocess
import sys
import tomllib
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from appo_envs.dialects.base import ParsedTurn
from appo_envs.messages import CallRequest, ToolCall
from appo_envs.rendering import Ending, EpisodeView, TurnView, ansi, print_human
from appo_envs.rendering.highlight import python_spans, tagged_spans
from appo_envs.rendering.human import EXTRA
from appo_envs.rendering.inert import inert
from appo_envs.rendering.layout import RESULT_LINES
from appo_envs.rendering.styles import Part, Span
from appo_envs.rendering.wrapping import MAX_CHARS, columns, folded, shortened, wrapped
from appo_envs.rewards import Outcome
from tests.appo_envs.rendering.episodes import BROKEN, HOSTILE, NATIVE, RIGHT, TAGS, result

OURS = re.compile("\x1b\\[(?:0|1|2|31|32|35|36|1;32|1;33|1;36|2;3)m")
ACTIVE = "".join(map(chr, [*range(32), 0x7F, *range(0x80, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)]))
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet=ACTIVE + "\ud800\udfff[]31m;漢e\u0301\U000e0041 ab\n<>/'\"#", max_size=60),
)
ARGUMENTS = st.one_of(TEXTS, st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers()), max_size=3))
RECORDS = st.builds(ToolCall, TEXTS, TEXTS, TEXTS, st.booleans(), st.floats(0, 99))
TURNS = st.builds(
    TurnView,
    TEXTS,
    st.builds(
        ParsedTurn,
        st.lists(st.builds(CallRequest, TEXTS, ARGUMENTS), max_size=2).map(tuple),
        st.none() | TEXTS,
        st.lists(TEXTS, max_size=2).map(tuple),
        TEXTS,
    ),
    st.lists(RECORDS, max_size=3).map(tuple),
)
OUTCOMES = st.builds(Outcome, st.booleans(), st.floats(0, 1), st.booleans(), st.just(frozenset[str]()))
VIEWS = st.builds(
    EpisodeView,
    TEXTS,
    TEXTS,
    st.lists(TURNS, max_size=3).map(tuple),
    st.none() | st.builds(Ending, OUTCOMES, st.floats(-9, 9)),
)


@given(VIEWS, st.integers(20, 100))
def test_no_control_character_but_our_own_survives_and_every_line_fits(view: EpisodeView, width: int) -> None:
    coloured, plain = ansi(view, width), ansi(view, width, colour=False)
    text = OURS.sub("", coloured)
    for character in text:
        assert character == "\n" or unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp"), repr(character)
        assert unicodedata.bidirectional(character) not in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI", "FSI", "PDF")
    assert [line.rstrip(" ") for line in text.split("\n")] == plain.split("\n")
    assert all(columns(line) <= width for line in plain.split("\n"))
    coloured.encode()


@given(VIEWS)
def test_what_others_wrote_is_indented_and_cannot_pass_for_our_lines(view: EpisodeView) -> None:
    ours = re.compile(r"Question · |Turn [0-9]+ ─*$|[✗✓~] [a-z ]+ · score |$")
    # A wide page: a long task id must not go on in a second line.
    lines = ansi(replace(view, task="t/1"), 100, colour=False).split("\n")
    assert [line for line in lines if not line.startswith("  ") and not ours.match(line)] == []


@given(VIEWS)
def test_rich_prints_the_same_text(view: EpisodeView) -> None:
    printed = [line.rstrip(" ") for line in _printed(view).split("\n")]
    assert printed == ansi(view, 80, colour=False).split("\n")


@pytest.mark.parametrize("view", [RIGHT, BROKEN, NATIVE])
def test_rich_takes_neither_markup_nor_emoji_codes_from_texts(view: EpisodeView) -> None:
    assert _printed(view) == ansi(view, 80, colour=False)
    coloured = io.StringIO()
    print_human(view, Console(file=coloured, width=80, force_terminal=True, color_system="standard"))
    assert "\x1b[1mQuestion\x1b[0m" in coloured.getvalue()
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured.getvalue()) == _printed(view)


def test_a_narrow_console_or_one_without_our_characters_is_printed_on_all_the_same() -> None:
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_human(RIGHT, Console(file=plain, width=8))
    plain.seek(0)
    assert plain.read().startswith("Question ?\n")


def test_only_new_turns_are_shown_after_the_first_time() -> None:
    whole = ansi(RIGHT, colour=False)
    first = ansi(replace(RIGHT, turns=RIGHT.turns[:2], ending=None), colour=False)
    assert first + ansi(RIGHT, colour=False, since=2) == whole
    assert _printed(RIGHT, since=2) == ansi(RIGHT, colour=False, since=2)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome(True, 1.0, False, frozenset()), "✓ right · score 1 · reward 0.5"),
        (Outcome(True, 0.25, False, frozenset()), "~ partly right · score 0.25 · reward 0.5"),
        (Outcome(True, 0.0, False, frozenset()), "✗ wrong · score 0 · reward 0.5"),
        (Outcome(False, 1.0, False, frozenset()), "✗ broken format · score 1 · reward 0.5"),
        (Outcome(False, 0.0, True, frozenset()), "✗ cut off by a limit · score 0 · reward 0.5"),
    ],
)
def test_the_verdict_says_how_the_episode_ended(outcome: Outcome, verdict: str) -> None:
    view = EpisodeView("t/1", "?", (), Ending(outcome, 0.5))
    assert ansi(view, colour=False).splitlines()[-1] == verdict


def test_a_result_of_a_million_characters_is_folded() -> None:
    for text in ("x" * 1_000_000, "x\n" * 500_000, "e" + "\u0301" * 999_999, "\x1b" * 1_000_000):
        action = "<search> a </search>"
        view = EpisodeView("t/1", "?", (TurnView(action, TAGS.parse(action), (result("search", text),)),))
        assert len(ansi(view, colour=False).splitlines()) <= RESULT_LINES + 6


def test_a_width_or_a_start_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="width must be at least 20"):
        ansi(RIGHT, 19)
    with pytest.raises(ValueError, match="since"):
        ansi(RIGHT, since=-1)


def test_without_rich_the_error_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ImportError, match=rf"appo-gym\[{EXTRA}\]"):
        print_human(RIGHT)
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    assert any(needed.startswith("rich") for needed in project["project"]["optional-dependencies"][EXTRA])


def test_importing_and_ansi_need_no_rich() -> None:
    program = (
        "import sys; from appo_envs.rendering import EpisodeView, ansi; ansi(EpisodeView('t', '?'));"
        "sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a␍b"),
        ("a\tb", "a   b"),
        ("\x1b[31m", "␛[31m"),
        ("\x00\x07\x7f", "␀␇␡"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eexe.png", "\\u202eexe.png"),
        ("\u2066a\u2069\u200f", "\\u2066a\\u2069\\u200f"),
        ("\ud800", "\\ud800"),
        ("\u2028\u2029\x85\x0b\x0c", "\\u2028\\u2029\\x85␋␌"),
        ("\U000e0041", "\\U000e0041"),
        ("👩\u200d🔬 שלום 漢字", "👩\u200d🔬 שלום 漢字"),
    ],
)
def test_characters_that_act_are_made_visible(text: str, shown: str) -> None:
    assert inert(text) == shown


@given(TEXTS)
def test_what_is_inert_stays_as_it_is(text: str) -> None:
    assert inert(inert(text)) == inert(text)


def test_words_of_python_are_told_apart() -> None:
    code = "for x in [1, 'a#b', \"c\"]:  # note\n    f'{x}' + '''d\ne''' + unknown"
    parts = [span for span in python_spans(code) if span.part is not Part.PLAIN]
    assert parts == [
        Span("for", Part.KEYWORD),
        Span("in", Part.KEYWORD),
        Span("1", Part.NUMBER),
        Span("'a#b'", Part.STRING),
        Span('"c"', Part.STRING),
        Span("# note", Part.COMMENT),
        Span("f'{x}'", Part.STRING),
        Span("'''d\ne'''", Part.STRING),
    ]


@given(st.text(alphabet="\"'\\\n#brf 01forin<>/ax", max_size=80))
def test_highlighting_loses_no_character(text: str) -> None:
    assert "".join(span.text for span in python_spans(text)) == text
    assert "".join(span.text for span in tagged_spans(text)) == text


@example(text=" a漢", width=2)
@given(text=st.text(alphabet="ab 漢\ne\u0301", max_size=80), width=st.integers(2, 30))
def test_wrapping_changes_nothing_but_spaces_marks_and_lines(text: str, width: int) -> None:
    lines = ["".join(span.text for span in line) for line in wrapped([Span(text)], width)]
    assert all(columns(line) <= width for line in lines)
    kept, given_text = ("".join(t.split()).replace("\u0301", "") for t in ("".join(lines), text))
    assert kept == given_text
    if all(columns(line) <= width for line in text.split("\n")) and "\u0301" * 5 not in text:
        assert lines == [line.rstrip(" ") for line in text.split("\n")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("one two3 x", ["one two3", "x"]),
        ("onetwothree", ["onetwoth", "ree"]),
        ("a  b", ["a  b"]),
        ("漢字漢字漢", ["漢字漢字", "漢"]),
        ("x漢字漢字", ["x漢字漢", "字"]),
        ("a" + "\u0301" * 9, ["a" + "\u0301" * 4]),
        ("", [""]),
    ],
)
def test_lines_are_broken_at_spaces_where_there_are_some(text: str, lines: list[str]) -> None:
    assert ["".join(span.text for span in line) for line in wrapped([Span(text)], 8)] == lines


def test_long_lists_of_lines_keep_both_ends() -> None:
    lines = [(Span(str(index)),) for index in range(10)]
    assert folded(lines, 10) == lines
    assert [line[0].text for line in folded(lines, 6)] == ["0", "1", "2", "3", "⋯ 5 more lines", "9"]


def test_long_texts_keep_both_ends() -> None:
    assert shortened("x" * MAX_CHARS) == "x" * MAX_CHARS
    cut = shortened("a" + "x" * MAX_CHARS + "b")
    assert cut.startswith("ax") and cut.endswith("xb") and "[2 characters left out]" in cut


def test_the_hostile_page_of_the_golden_files_is_hostile() -> None:
    assert inert(HOSTILE) != HOSTILE


def _printed(view: EpisodeView, since: int = 0) -> str:
    file = io.StringIO()
    print_human(view, Console(file=file, width=80, force_terminal=False), since=since)
    return file.getvalue()
