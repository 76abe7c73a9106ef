"""What the README tells a newcomer to type works. The long run is replaced by the preset of twenty seconds."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [command.strip() for line in lines for command in line.split("&&") if command.strip()]


def appo(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from appo_agent.commands.main import main; raise SystemExit(main())"]
    return subprocess.run([*program, *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_python_block_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [code] = blocks("python")
    exec(compile(code, "README", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("?") and printed[1].startswith("<result>")


def test_the_two_install_commands_use_the_pins() -> None:
    installs = [command for command in commands() if command.startswith("pip")]
    assert installs == [f"pip install -c constraints.txt -e '.[{extra}]'" for extra in ("agent", "test")]


def test_train_eval_and_the_listings_work(tmp_path: Path) -> None:
    trained = appo("train", "quick", "--run-dir", "run", "--json", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    result = json.loads(trained.stdout)
    assert result["after"]["success"] > 0.3 and result["after"]["episodes"] == 256
    run = tmp_path / "run"
    for name in (
        "config.toml",
        "metrics.jsonl",
        "learning_curve.png",
        "policy/model.safetensors",
        "records",
        "transcripts",
    ):
        assert (run / name).exists(), name
    evaluated = appo("eval", "run", "--episodes", "64", "--json", cwd=tmp_path)
    figures = json.loads(evaluated.stdout)
    assert figures["episodes"] == 64 and figures["interval"][0] <= figures["success"] <= figures["interval"][1]
    for verb in ("algorithms", "envs", "doctor"):
        assert appo(verb, cwd=tmp_path).returncode == 0, verb


def test_every_appo_command_of_the_readme_names_real_verbs_and_settings(tmp_path: Path) -> None:
    for command in commands():
        words = command.split()
        if words[0] != "appo" or words[1:] == ["train"]:
            continue
        words = [word for word in words[1:] if word not in ("--help",)]
        if words[0] == "train" and "--resume" not in words:
            # An impossible last setting stops the command after everything before it was understood.
            refused = appo(*words, "--seed", "-1", cwd=tmp_path)
            assert refused.returncode == 2 and "seed must be 0 or more" in refused.stderr, (command, refused.stderr)
