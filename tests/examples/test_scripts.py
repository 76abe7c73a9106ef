"""Every example runs as a script, from any folder, and imports nothing heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.loading import EXAMPLES

EPISODES = ("weather_env", "sql_env", "plain_loop")
LOADED_BY_OTHERS = ("verl_agent_loop",)
TRAINS = ("ablation",)
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.stem in EPISODES], ids=lambda path: path.stem)
def test_an_example_plays_an_episode(script: Path, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert "Turn 2" in ran.stdout and ran.stdout.rstrip().endswith("score 1.0")


@pytest.mark.parametrize(
    "script",
    [path for path in SCRIPTS if path.stem not in EPISODES + LOADED_BY_OTHERS + TRAINS],
    ids=lambda path: path.stem,
)
def test_an_example_that_needs_a_model_says_how_it_is_used(script: Path, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "--model" in ran.stdout


@pytest.mark.parametrize("name", LOADED_BY_OTHERS)
def test_an_example_that_others_load_is_python(name: str) -> None:
    compile((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"), name, "exec")


def test_there_are_examples() -> None:
    names = {path.stem for path in SCRIPTS}
    assert {*EPISODES, *TRAINS, "openai_endpoint", "evaluate_endpoint", "train_with_trl"} <= names
