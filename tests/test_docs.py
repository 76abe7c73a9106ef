"""The pages do what they say: every block of Python runs, every command is understood, every link leads somewhere, and
the site is built without a warning."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest

import appo_envs  # noqa: F401  (registers its ids, which are no page's)
from appo_agent.commands.main import COMMANDS, main

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ELSEWHERE = {"write_an_algorithm.md"}
"""Pages whose blocks have a test of their own."""


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def _commands(page: Path) -> Iterator[str]:
    for block in _blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            yield from (part.strip() for part in line.split("#")[0].split("&&") if part.strip())


WITH_PYTHON = [page for page in PAGES if page.name not in ELSEWHERE and _blocks(page, "python")]


@pytest.fixture
def registered() -> Iterator[None]:
    """What blocks register is forgotten afterwards."""
    before = set(gymnasium.registry)
    yield
    for env_id in set(gymnasium.registry) - before:
        del gymnasium.registry[env_id]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, registered: None) -> None:
    namespace: dict[str, object] = {"__name__": "page"}
    for number, block in enumerate(_blocks(page, "python")):
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)


def test_commands_of_the_pages_name_verbs_and_options_that_exist() -> None:
    helps: dict[str, str] = {}
    checked = 0
    for page in PAGES:
        for command in _commands(page):
            words = command.split()
            if words[0] != "appo" or len(words) < 2 or words[1].startswith("-"):
                continue
            assert words[1] in COMMANDS, (page.name, command)
            options = [word.split("=")[0] for word in words[2:] if word.startswith("--")]
            verb = " ".join(words[1:3]) if words[1] == "bench" else words[1]
            if options and verb not in helps:
                helps[verb] = _help(verb.split())
            for option in options:
                # Settings are written either way on the command line and with underscores in a file.
                known = {option, option.replace("-", "_"), option.replace("_", "-")}
                assert any(re.search(rf"{re.escape(name)}\b", helps[verb]) for name in known), (page.name, command)
                checked += 1
    assert checked > 10


def test_settings_of_the_pages_have_values_that_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    checked = 0
    for page in PAGES:
        for command in _commands(page):
            words = command.split()
            # A word in capitals stands for something of the reader's.
            if words[:2] != ["appo", "train"] or len(words) == 2 or any(word.isupper() for word in words):
                continue
            # An impossible last setting stops the command after everything before it was understood.
            assert main([*words[1:], "--seed", "-1"]) == 2, (page.name, command)
            assert "seed must be 0 or more" in (error := capsys.readouterr().err), (page.name, command, error)
            checked += 1
    assert checked >= 8


def test_pages_name_only_files_that_exist() -> None:
    for page in [*PAGES, ROOT / "README.md"]:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[\w-]+)?\)", text):
            assert (page.parent / link).exists(), (page.name, link)
        for path in re.findall(r"`((?:examples|docs|tests|appo_agent|appo_envs)/[\w./]+)`", text):
            assert (ROOT / path).exists(), (page.name, path)


def test_pages_say_nothing_of_the_machine_they_were_written_on() -> None:
    for page in DOCS.rglob("*.md"):
        assert not re.search(r"(?<![\w.])/(home|root|opt|work|Users)/", page.read_text(encoding="utf-8")), page.name


def test_the_site_is_built_without_a_warning_and_without_the_network(tmp_path: Path) -> None:
    for package in ("mkdocs", "mkdocstrings", "material", "latex2mathml"):
        pytest.importorskip(package, reason="the extra `docs` is not installed")
    # A copy of what the site is made of: nothing is written beside the sources, not even caches.
    for name in ("docs", "appo_envs", "appo_agent", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    # A proxy where nobody listens: whatever asked the network would fail.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"} | dict.fromkeys(
        ("http_proxy", "https_proxy"), "http://127.0.0.1:9"
    )
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    site = tmp_path / "build" / "site"
    navigation = (site / "faq.html").read_text(encoding="utf-8")
    for page in PAGES:
        assert (site / page.with_suffix(".html").name).is_file(), page.name
        assert f'href="{page.with_suffix(".html").name}"' in navigation or page.name == "faq.md", page.name
    assert "<math" in (site / "algorithm.html").read_text(encoding="utf-8")
    reference = (site / "api" / "envs.html").read_text(encoding="utf-8")
    assert "snapshot outlives the environment" in reference
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text(encoding="utf-8"))
        assert not loaded, (page.name, loaded)


def _help(words: list[str]) -> str:
    program = "import sys; from appo_agent.commands.main import main; raise SystemExit(main(sys.argv[1:]))"
    shown = subprocess.run(
        [sys.executable, "-c", program, *words, "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout
