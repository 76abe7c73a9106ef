"""The `appo` program: dispatch, suggestions, one-line errors, and what it must not import."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from appo_agent.commands.main import COMMANDS, main
from appo_agent.errors import ConfigError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == shown
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("appo 0.")


def test_help_imports_neither_torch_nor_the_environments() -> None:
    code = (
        "import sys; from appo_agent.commands.main import main; main(['--help'])\n"
        "heavy = {'torch', 'transformers', 'gymnasium', 'numpy', 'tyro'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(("word", "hint"), [("trian", "did you mean 'train'?"), ("xyz", "there are train, eval")])
def test_unknown_command_is_one_line_with_a_suggestion(
    word: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"appo: unknown command {word!r}; {hint}")
    assert shown.err.count("\n") == 1


def _pretend(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    for name in ("train", "eval"):
        monkeypatch.setitem(sys.modules, COMMANDS[name].module, SimpleNamespace(run=run))


def test_command_gets_the_remaining_words_and_its_exit_code_is_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _pretend(monkeypatch, lambda argv: len(argv))
    assert main(["train", "--seed", "1"]) == 2
    assert main(["eval"]) == 0


def test_project_error_is_one_line_and_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(argv: list[str]) -> int:
        raise ConfigError("seed: expected an integer")

    def bug(argv: list[str]) -> int:
        raise ValueError("a bug")

    def interrupted(argv: list[str]) -> int:
        raise KeyboardInterrupt

    _pretend(monkeypatch, wrong)
    assert main(["train"]) == 2
    assert capsys.readouterr().err == "appo: seed: expected an integer\n"
    _pretend(monkeypatch, bug)
    with pytest.raises(ValueError, match="a bug"):
        main(["train"])
    _pretend(monkeypatch, interrupted)
    assert main(["train"]) == 130


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_reader_that_stops_reading_is_no_error(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    code = "import sys; from appo_agent.commands.main import main; sys.exit(main(sys.argv[1:]))"
    finished = subprocess.run(
        [sys.executable, "-c", code, *words], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (finished.returncode, finished.stderr) == (141, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_is_for(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(COMMANDS[name].module)
    assert module.HELP.endswith(".")
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"appo {name}" in capsys.readouterr().out


def test_algorithms_are_listed_with_their_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["algorithms"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(["algorithms", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"appo", "grpo"} <= {entry["name"] for entry in listed}
    assert [line.split(maxsplit=1) for line in lines] == [[entry["name"], entry["summary"]] for entry in listed]


def test_envs_are_listed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs"]) == 0
    ids = capsys.readouterr().out.splitlines()
    assert main(["envs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ids
    assert "appo/KnowledgeQA-v0" in ids


def test_an_environment_may_be_in_a_file_of_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(
        "import appo_envs\n"
        "@appo_envs.tool\n"
        "def echo(text: str) -> str:\n"
        "    'Say it again.'\n"
        "    return text\n"
        "tasks = [appo_envs.Task('1', 'q', 'a')]\n"
        "appo_envs.register_tool_env('beside/Env-v0', tasks=tasks, tools=[echo], grade=str.__eq__)\n"
    )
    program = shutil.which("appo", path=str(Path(sys.executable).parent))
    assert program is not None
    words = [program, "check-env", "beside:beside/Env-v0"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
