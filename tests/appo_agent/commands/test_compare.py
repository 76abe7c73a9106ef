import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appo_agent.analysis.compare.cells import Cell
from appo_agent.analysis.compare.findings import read_findings
from appo_agent.analysis.compare.outcome import read_outcome
from appo_agent.analysis.compare.results_dir import ResultsDir
from appo_agent.analysis.compare.spec import load_spec
from appo_agent.commands.main import main

TINY = """
name = "tiny"
about = "Whatever."
preset = "quick"
learning_rates = [2e-4]
confirm_seeds = [5, 6]
primaries = [["appo", "grpo"]]
pass_samples = 2
pass_questions = 4

[settings]
token_budget = 2_500
checkpoint_every = 1
prompts_per_step = 4
log_to = []
policy = { num_hidden_layers = 1 }
cold_start = { steps = 3 }
evaluation = { episodes = 8, validation_episodes = 4, validation_every = 1 }

[environments.knowledge_qa]
env = "appo/KnowledgeQA-v0"
env_options = ["hops=1"]

[arms.appo]
algorithm = "appo"
plan = { rollouts = 4, initial = 2, branches = 1 }

[arms.grpo]
algorithm = "grpo"
plan = { rollouts = 4 }
"""


def spec_file(folder: Path, text: str = TINY) -> str:
    path = folder / "tiny.toml"
    path.write_text(text)
    return str(path)


def words(spec: str, results: Path) -> list[str]:
    return ["compare", spec, "--results", str(results), "--jobs", "2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a comparison that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    assert main([*words(spec_file(folder), folder / "results"), "--keep", str(folder / "kept.json")]) == 0
    return folder


def test_a_comparison_ends_with_report_figures_and_pictures(whole: Path) -> None:
    results = whole / "results"
    for name in ("results.json", "cells.csv", "report.md", "differences.png", "protocol.json", "rates.json"):
        assert (results / name).is_file(), name
    findings = read_findings(whole / "kept.json")
    assert len(findings.outcomes) == 4
    for _, outcome in findings.outcomes:
        assert outcome.spent.tokens >= 2500 and outcome.spent.steps >= 1 and outcome.spent.cpu_seconds > 0
        assert outcome.episodes == 8 and len(outcome.pass_at) == 2 and outcome.curve
    assert "appo - grpo" in (results / "report.md").read_text()


def test_both_arms_begin_with_one_cold_start(whole: Path) -> None:
    findings = read_findings(whole / "kept.json")
    before = {(cell.arm, cell.seed): outcome.before for cell, outcome in findings.outcomes}
    assert all(before["appo", seed] == before["grpo", seed] for seed in (5, 6))
    bases = sorted(path.name for path in (whole / "results/cells/base/knowledge_qa/cold_start").iterdir())
    assert bases == ["seed_5", "seed_6"]


def test_what_is_finished_is_not_run_again(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in whole.glob("results/cells/**/outcome.json")}
    assert main(words(str(whole / "tiny.toml"), whole / "results")) == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps and len(stamps) == 6
    assert "appo - grpo" in capsys.readouterr().out


def test_a_comparison_that_was_killed_is_taken_up_with_equal_results(whole: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    cell = Cell("confirm", "knowledge_qa", "appo", 2e-4, 5)
    command = [sys.executable, "-c", "import sys; from appo_agent.commands.main import main; sys.exit(main())"]
    killed = subprocess.Popen([*command, *words(spec_file(tmp_path), results)])
    try:
        checkpoints = results / cell.path / "run" / "checkpoints"
        deadline = time.monotonic() + 120
        while not list(checkpoints.glob("step_*")) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    # Its cells notice, and write a checkpoint; the next call need not wait for that.
    assert not (results / "results.json").exists()
    assert main(words(str(tmp_path / "tiny.toml"), results)) == 0
    for arm in ("appo", "grpo"):
        path = Cell("confirm", "knowledge_qa", arm, 2e-4, 5).path / "outcome.json"
        ours, theirs = read_outcome(results / path), read_outcome(whole / "results" / path)
        assert (ours.before, ours.after, ours.pass_at) == (theirs.before, theirs.after, theirs.pass_at)
        assert ours.spent.tokens == theirs.spent.tokens


def test_a_cell_that_fails_is_named_with_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    assert main([*words(spec_file(tmp_path), results), "--stage", "explore"]) == 0
    in_the_way = results / "cells/base/knowledge_qa/cold_start/seed_5/run"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no folder")
    assert main(words(str(tmp_path / "tiny.toml"), results)) == 2
    said = capsys.readouterr().err
    assert "1 of 2 cells failed, the first: base: cold_start on knowledge_qa, seed 5; see" in said
    assert "Run the command again" in said
    assert "cannot create a run" in (in_the_way.parent / "log.txt").read_text()


def test_cells_of_another_configuration_are_refused_with_the_difference(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole / "results", tmp_path / "moved")
    # That the folder has moved is no difference.
    assert main(words(str(whole / "tiny.toml"), tmp_path / "moved")) == 0
    settings = tmp_path / "moved" / Cell("confirm", "knowledge_qa", "appo", 2e-4, 5).path / "cell.toml"
    settings.write_text(settings.read_text().replace("batch_size = 16", "batch_size = 17"))
    capsys.readouterr()
    assert main(words(str(whole / "tiny.toml"), tmp_path / "moved")) == 2
    said = capsys.readouterr().err
    assert "was begun with another configuration: cold_start.batch_size was 17, is 16." in said


def test_two_comparisons_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ResultsDir.begin(tmp_path / "results", load_spec(spec_file(tmp_path)))
    with folder.lock():
        assert main(words(str(tmp_path / "tiny.toml"), tmp_path / "results")) == 2
    assert "is in use by another `appo compare`" in capsys.readouterr().err


def test_shipped_comparisons_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare"]) == 0
    assert "main     Is APPO better than GRPO" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "flags", "complaint"),
    [
        (TINY, ["--jobs", "0"], "--jobs must be at least 1, got 0"),
        (TINY.replace('primaries = [["appo"', 'primaries = [["apo"'), [], "no arm 'apo'; did you mean 'appo'"),
        (TINY.replace("2_500", "3"), [], "is not enough for one step"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, flags: list[str], complaint: str
) -> None:
    assert main([*words(spec_file(tmp_path, text), tmp_path / "results"), *flags]) == 2
    said = capsys.readouterr().err
    assert complaint in said and said.count("\n") == 1
    assert not (tmp_path / "results").exists()
