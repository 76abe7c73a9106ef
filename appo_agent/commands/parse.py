"""Settings from a TOML file and the command line into one tree of frozen dataclasses, and back to TOML.

Owns the flags, the precedence (default, then file, then command line) and the wording of errors. tyro judges
every value, wherever it came from, and writes `--help`. What the settings mean, and which pairs are
impossible, is decided by each dataclass in its `__post_init__`.
"""

from __future__ import annotations

import contextlib
import io
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, make_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import tyro

from appo_agent.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")

# Booleans take a value: one spelling for flags and files, and a default of True can be turned off.
_TYRO_CONFIG = (tyro.conf.FlagConversionOff,)


@dataclass(frozen=True)
class _Assignment:
    """One setting as written: dotted key with underscores, its values as tokens, and where it stood."""

    key: str
    tokens: tuple[str, ...]
    source: str


def parse_config(
    config_type: type[ConfigT],
    default: ConfigT,
    argv: Sequence[str],
    toml: Path | None = None,
    prog: str = "appo",
) -> ConfigT:
    """Resolve a configuration; the command line wins over the file, the file over the defaults.

    Flags are the dotted field names, `--advantage.future-weight 0.99` or `--advantage.future_weight=0.99`; a
    tuple takes its items one after another, a boolean takes True or False, an optional setting takes None.
    `--help` prints every setting with its default and its documentation, and exits with 0.

    Args:
        config_type: a frozen dataclass; its fields are settings or, nested, further groups of them.
        default: the instance that holds the defaults.
        argv: the flags.
        toml: a file whose nested tables are the groups.
        prog: the command as it is named in `--help`.

    Returns:
        The resolved configuration.

    Raises:
        ConfigError: unknown key, value of another type, impossible combination, missing or malformed file.
            One line that names the key, and the file where it came from one.
    """
    if type(default) is not config_type:
        raise TypeError(f"default must be a {config_type.__name__}, got a {type(default).__name__}")
    if "-h" in argv or "--help" in argv:
        without_flags = parse_config(config_type, default, [], toml, prog)
        tyro.cli(config_type, default=without_flags, args=["--help"], prog=prog, config=_TYRO_CONFIG)
    settings = dict(_settings(default, ""))
    written = [] if toml is None else list(_from_toml(toml))
    written += _from_argv(argv)
    chosen: dict[str, _Assignment] = {}
    values: dict[str, object] = {}
    for assignment in written:
        if assignment.key not in settings:
            raise ConfigError(_unknown(assignment, settings))
        chosen[assignment.key] = assignment
        values[assignment.key] = _parse_value(assignment, settings[assignment.key])
    return _build(default, "", values, chosen)


def to_toml(config: DataclassInstance) -> str:
    """Every setting as TOML, groups as tables; `parse_config` reads it back to an equal configuration.

    None, which TOML lacks, is written as the string "None".

    Raises:
        TypeError: a setting's value has no TOML form.
    """
    return _toml_table(config, "").lstrip("\n")


def flags_of(table: Mapping[str, object]) -> list[str]:
    """The tables of a TOML file as the flags that say the same, for settings that come from several places."""
    return [word for setting in _flatten(table, "", "") for word in (f"--{setting.key}", *setting.tokens)]


def _settings(group: DataclassInstance, prefix: str) -> Iterator[tuple[str, Any]]:
    """(dotted key, annotation) of every setting under a group."""
    hints = get_type_hints(type(group), include_extras=True)
    for field in fields(group):
        value = getattr(group, field.name)
        if _is_group(value):
            yield from _settings(value, f"{prefix}{field.name}.")
        elif field.init:
            yield f"{prefix}{field.name}", hints[field.name]


def _is_group(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _from_argv(argv: Sequence[str]) -> Iterator[_Assignment]:
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        if not word.startswith("--") or word == "--":
            raise ConfigError(f"unexpected {word!r} on the command line: settings are written --name value")
        name, equals, value = word[2:].partition("=")
        tokens = [value] if equals else []
        while not equals and position < len(argv) and not argv[position].startswith("--"):
            tokens.append(argv[position])
            position += 1
        yield _Assignment(name.replace("-", "_"), tuple(tokens), "on the command line")


def _from_toml(path: Path) -> Iterator[_Assignment]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration file at {path}") from error
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    yield from _flatten(tables, "", f"in {path}")


def _flatten(table: Mapping[str, object], prefix: str, source: str) -> Iterator[_Assignment]:
    for name, value in table.items():
        key = prefix + name.replace("-", "_")
        if isinstance(value, dict):
            yield from _flatten(value, f"{key}.", source)
        else:
            yield _Assignment(key, tuple(_tokens(value)), source)


def _tokens(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _tokens(item)
    else:
        yield str(value)


def _unknown(assignment: _Assignment, settings: Mapping[str, Any]) -> str:
    key, source = assignment.key, assignment.source
    members = [name for name in settings if name.startswith(f"{key}.")]
    if members:
        return f"{key!r} {source} is a group of settings, not a setting: it holds {', '.join(members)}"
    # A setting written without its group is the commonest slip, and far from its full name by edit distance.
    same_name = [repr(name) for name in settings if name.rpartition(".")[2] == key.rpartition(".")[2]]
    offer = f"; did you mean {' or '.join(same_name)}?" if same_name else did_you_mean(key, settings)
    return f"unknown setting {key!r} {source}{offer}"


def _parse_value(assignment: _Assignment, annotation: Any) -> object:
    tokens = assignment.tokens
    # "--value=x" rather than "--value x": a string may begin with a dash.
    args = [f"--value={tokens[0]}"] if len(tokens) == 1 else ["--value", *tokens]
    setting = make_dataclass("Setting", [("value", annotation)], frozen=True)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return tyro.cli(setting, args=args, config=_TYRO_CONFIG, console_outputs=False).value
    except SystemExit as error:
        got = " ".join(tokens) if tokens else "nothing"
        raise ConfigError(
            f"{assignment.key} {assignment.source}: expected {_describe(annotation)}, got {got!r}"
        ) from error


def _describe(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    plain = {bool: "True or False", int: "an integer", float: "a number", str: "a string", Path: "a path"}
    if annotation in plain:
        return plain[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(member.name for member in annotation)
    return str(annotation)


def _build(group: ConfigT, prefix: str, values: Mapping[str, object], chosen: Mapping[str, _Assignment]) -> ConfigT:
    """The group with the written values in place, its own checks run again."""
    changes: dict[str, Any] = {}
    for field in fields(group):
        key, value = f"{prefix}{field.name}", getattr(group, field.name)
        if key in values:
            changes[field.name] = values[key]
        elif _is_group(value):
            built = _build(value, f"{key}.", values, chosen)
            if built is not value:
                changes[field.name] = built
    if not changes:
        return group
    try:
        return replace(group, **changes)
    except ValueError as error:
        raise ConfigError(_refused(str(error), prefix, chosen)) from error


def _refused(message: str, prefix: str, chosen: Mapping[str, _Assignment]) -> str:
    """A group's own complaint, with its name and where the settings that it may mean were written."""
    within = {key.removeprefix(prefix): where.source for key, where in chosen.items() if key.startswith(prefix)}
    # Components name the settings they complain about; the others would only make the line longer.
    named = {name: source for name, source in within.items() if name in message} or within
    written = "; ".join(f"{prefix}{name} {source}" for name, source in named.items())
    return f"{prefix[:-1]}: {message} (written: {written})" if prefix else f"{message} (written: {written})"


def _toml_table(group: DataclassInstance, path: str) -> str:
    lines, tables = [], []
    for field in fields(group):
        value = getattr(group, field.name)
        if _is_group(value):
            tables.append(_toml_table(value, f"{path}.{field.name}" if path else field.name))
        elif field.init:
            lines.append(f"{field.name} = {_toml_value(value, field.name)}\n")
    header = f"\n[{path}]\n" if path and (lines or not tables) else ""
    return header + "".join(lines) + "".join(tables)


def _toml_value(value: object, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return _toml_string(value.name)
    if isinstance(value, (int, float)):
        return repr(value)
    if value is None or isinstance(value, (str, Path)):
        return _toml_string(str(value))
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml_value(item, name) for item in value) + "]"
    raise TypeError(f"{name}: a {type(value).__name__} has no TOML form")


def _toml_string(text: str) -> str:
    # JSON's escapes are TOML's, except that TOML also wants DEL escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
