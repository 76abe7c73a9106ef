"""The files that carry the project on: one command for all checks, the map of the house, citation, hooks."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import __main__ as checks

ROOT = Path(__file__).parent.parent


def test_the_one_command_runs_what_ci_runs() -> None:
    steps = re.findall(r"^step (\w+)(.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    in_ci = {(name, *arguments.split()[:2]) for name, arguments in steps if name in ("ruff", "basedpyright", "pytest")}
    here = {tuple(word for word in check[:3] if word != sys.executable) for check in checks.CHECKS}
    shortened = {tuple(word for word in step if '"' not in word) for step in in_ci}
    assert here <= shortened


def test_everything_runs_though_the_first_check_fails(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(words[2:])
        return subprocess.CompletedProcess(words, int(words[2:4] == ["ruff", "check"]))

    monkeypatch.setattr(checks.subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["tests", "-x", "tests/appo_envs"])
    assert checks.main() == 1
    assert [words[0] for words in ran] == ["ruff", "ruff", "basedpyright", "pytest"]
    assert ran[-1] == ["pytest", "-x", "tests/appo_envs"]
    assert capfd.readouterr().out.endswith("failed: ruff check\n")


def test_the_map_names_what_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    [house] = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    package = ROOT
    named = 0
    for line in house.splitlines():
        names = [word for word in line[:22].split() if re.fullmatch(r"[\w.]+(/|\.py)", word)]
        if not line.startswith(" "):
            package = ROOT / names[0] if len(names) == 1 else ROOT
        for name in names:
            place = ROOT / name if not line.startswith(" ") else package / name
            assert place.exists(), line
            named += 1
    assert named > 20
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / link).exists(), link


def test_the_citation_has_the_version_and_the_licence_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation and f"\nlicense: {project['license']}\n" in citation


def test_public_names_without_docstrings_are_refused() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "D" in lint["select"] and {rule for rule in lint["ignore"] if rule < "D2"} == {"D105", "D107"}
