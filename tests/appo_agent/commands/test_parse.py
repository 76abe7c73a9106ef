"""Settings from defaults, TOML and flags, and the one-line errors when something is wrong."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appo_agent.commands.parse import parse_config, to_toml
from appo_agent.errors import ConfigError, did_you_mean


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Advantage:
    """How credit is given.

    Attributes:
        future_weight: weight of the future, at least 0.
        clip: (low, high).
        cold_start: what scores before the first update.
    """

    future_weight: float = 0.5
    clip: tuple[float, float] = (1.0, 1.2)
    cold_start: Literal["entropy", "lagged"] = "entropy"

    def __post_init__(self) -> None:
        if self.clip[0] > self.clip[1]:
            raise ValueError(f"clip must be (low, high), got {self.clip}")


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        seed: source of all randomness.
        name: what it is called.
        limit: most steps, None for no limit.
        verbose: say more.
        tags: free words.
        output: folder.
        color: of the curve.
        advantage: credit.
    """

    seed: int = 0
    name: str = "run"
    limit: int | None = None
    verbose: bool = False
    tags: tuple[str, ...] = ()
    output: Path = Path("runs")
    color: Color = Color.RED
    advantage: Advantage = field(default_factory=Advantage)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, got {self.limit}")


@dataclass(frozen=True)
class Documented:
    """Settings with their documentation below them."""

    width: int = 3
    """width of the curve"""


def _toml(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _error(argv: list[str], toml: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(Run, Run(), argv, toml)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_nothing_written_gives_the_default_instance() -> None:
    default = Run(seed=7)
    assert parse_config(Run, default, []) is default


def test_flags_of_every_type_are_read() -> None:
    argv = (
        "--seed 3 --name=-x --limit 9 --verbose True --tags a b --output some/folder --color BLUE "
        "--advantage.clip 0.8 1.5 --advantage.cold-start lagged --advantage.future_weight=-1e-3"
    )
    assert parse_config(Run, Run(), argv.split()) == Run(
        seed=3,
        name="-x",
        limit=9,
        verbose=True,
        tags=("a", "b"),
        output=Path("some/folder"),
        color=Color.BLUE,
        advantage=Advantage(future_weight=-1e-3, clip=(0.8, 1.5), cold_start="lagged"),
    )


def test_file_overrides_defaults_and_flags_override_the_file(tmp_path: Path) -> None:
    path = _toml(tmp_path, 'name = "from file"\nseed = 4\n[advantage]\nfuture_weight = 2\nclip = [0.5, 2]\n')
    config = parse_config(Run, Run(limit=5), ["--seed", "5"], path)
    assert config == Run(seed=5, name="from file", limit=5, advantage=Advantage(future_weight=2.0, clip=(0.5, 2.0)))
    assert isinstance(config.advantage.future_weight, float)


def test_the_last_of_two_equal_flags_wins() -> None:
    assert parse_config(Run, Run(), ["--seed", "1", "--seed", "2"]).seed == 2


def test_optional_setting_is_reset_by_none() -> None:
    assert parse_config(Run, Run(limit=3), ["--limit", "None"]).limit is None


def test_unknown_flag_suggests_the_nearest() -> None:
    assert _error(["--sead", "1"]) == "unknown setting 'sead' on the command line; did you mean 'seed'?"


def test_setting_written_without_its_group_suggests_the_full_name() -> None:
    assert _error(["--future-weight", "1"]).endswith("did you mean 'advantage.future_weight'?")


def test_group_given_as_a_setting_lists_what_it_holds() -> None:
    assert "it holds advantage.future_weight, advantage.clip" in _error(["--advantage", "1"])


def test_unknown_key_in_a_file_names_key_and_file(tmp_path: Path) -> None:
    path = _toml(tmp_path, "[advantage]\nfuture_wait = 1\n")
    message = _error([], path)
    assert f"'advantage.future_wait' in {path}" in message
    assert "did you mean 'advantage.future_weight'?" in message


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--seed", "x"], "seed on the command line: expected an integer, got 'x'"),
        (["--seed", "1", "2"], "seed on the command line: expected an integer, got '1 2'"),
        (["--seed"], "seed on the command line: expected an integer, got 'nothing'"),
        (["--verbose"], "verbose on the command line: expected True or False, got 'nothing'"),
        (
            ["--advantage.cold-start", "warm"],
            "advantage.cold_start on the command line: expected one of entropy, lagged, got 'warm'",
        ),
        (
            ["--advantage.clip", "1"],
            "advantage.clip on the command line: expected tuple[float, float], got '1'",
        ),
        (["--color", "GREEN"], "color on the command line: expected one of RED, BLUE, got 'GREEN'"),
    ],
)
def test_wrong_type_is_named_with_what_was_expected(
    argv: list[str], expected: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert _error(argv) == expected
    assert capfd.readouterr() == ("", "")


def test_wrong_type_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = _toml(tmp_path, "seed = 1.5\n")
    assert _error([], path) == f"seed in {path}: expected an integer, got '1.5'"


def test_wrong_value_in_the_file_is_an_error_even_when_a_flag_overrides_it(tmp_path: Path) -> None:
    assert "seed" in _error(["--seed", "1"], _toml(tmp_path, 'seed = "many"\n'))


def test_impossible_pair_names_the_group_and_what_was_written(tmp_path: Path) -> None:
    path = _toml(tmp_path, "[advantage]\nclip = [2.0, 1.0]\n")
    assert _error(["--seed", "1"], path) == (
        f"advantage: clip must be (low, high), got (2.0, 1.0) (written: advantage.clip in {path})"
    )
    assert (
        _error(["--limit", "0", "--verbose", "True"])
        == "limit must be at least 1, got 0 (written: limit on the command line)"
    )


def test_positional_word_is_refused() -> None:
    assert "unexpected 'go'" in _error(["go"])


def test_missing_malformed_and_unreadable_files_are_one_line(tmp_path: Path) -> None:
    assert _error([], tmp_path / "none.toml") == f"no configuration file at {tmp_path / 'none.toml'}"
    assert "is not valid TOML" in _error([], _toml(tmp_path, "seed = = 1\n"))
    assert "line 1" in _error([], _toml(tmp_path, "seed = = 1\n"))
    assert "cannot read" in _error([], tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"\n')
    assert "is not valid TOML" in _error([], tmp_path / "latin.toml")


def test_help_shows_every_setting_with_default_and_doc(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_config(Run, Run(seed=1234), ["--seed", "1", "--help"], prog="appo train")
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for expected in ("appo train", "--seed", "1234", "source of all randomness", "--advantage.future-weight"):
        assert expected in shown
    assert "weight of the future" in shown


def test_help_shows_the_values_of_the_file_as_defaults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_config(Run, Run(), ["--help"], _toml(tmp_path, "seed = 98765\n"))
    assert "98765" in capsys.readouterr().out


def test_default_of_another_type_is_a_bug() -> None:
    with pytest.raises(TypeError, match="must be a Run"):
        parse_config(Run, Advantage(), [])  # pyright: ignore[reportArgumentType]


_words = st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda text: text != "None")
_numbers = st.floats(allow_nan=False)


@given(
    config=st.builds(
        Run,
        seed=st.integers(-(2**62), 2**62),
        name=_words,
        limit=st.none() | st.integers(1, 10**9),
        verbose=st.booleans(),
        tags=st.lists(_words.filter(lambda text: not text.startswith("-")), max_size=3).map(tuple),
        color=st.sampled_from(Color),
        advantage=st.builds(
            Advantage,
            future_weight=_numbers,
            clip=st.tuples(_numbers, _numbers).map(lambda pair: (min(pair), max(pair))),
        ),
    )
)
def test_toml_round_trip_is_exact(config: Run, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = _toml(tmp_path_factory.getbasetemp(), to_toml(config))
    assert parse_config(Run, Run(), [], path) == config


def test_settings_documented_by_strings_below_them_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_config(Documented, Documented(), ["-h"])
    assert "width of the curve" in " ".join(capsys.readouterr().out.split())


def test_characters_that_toml_wants_escaped_round_trip(tmp_path: Path) -> None:
    config = Run(name='"\\ \x7f\x00\n\u2028 [a]\U0001f600')
    assert parse_config(Run, Run(), [], _toml(tmp_path, to_toml(config))) == config


def test_toml_text_groups_settings_in_tables() -> None:
    text = to_toml(replace(Run(), tags=("a",)))
    assert text.startswith('seed = 0\nname = "run"\nlimit = "None"\nverbose = false\ntags = ["a"]\n')
    assert tomllib.loads(text)["advantage"] == {
        "future_weight": 0.5,
        "clip": [1.0, 1.2],
        "cold_start": "entropy",
    }


def test_value_without_toml_form_is_named() -> None:
    @dataclass(frozen=True)
    class Odd:
        table: dict[str, int] = field(default_factory=lambda: {"a": 1})

    with pytest.raises(TypeError, match="table: a dict has no TOML form"):
        to_toml(Odd())


def test_nothing_near_gives_no_suggestion() -> None:
    assert did_you_mean("zzz", ["seed"]) == ""
