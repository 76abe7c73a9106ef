"""`appo train` and `appo eval` from the outside: bad input gets one line and exit code 2, nothing is overwritten."""

import json
import math
import shutil
from pathlib import Path

import pytest

from appo_agent import evaluation
from appo_agent.commands.main import main
from appo_agent.commands.train import PRESETS, load_config, preset_names
from appo_agent.errors import ConfigError
from appo_agent.report.library import Library
from appo_agent.training import evaluation_files, progress
from appo_agent.training.config import default_config
from appo_agent.training.record_file import read_records
from appo_agent.training.run_dir import RunDir

SMALL = (
    "--env-options hops=1 --token-budget 200 --prompts-per-step 2 --mini-batches 1 --policy.hidden-size 32 "
    "--policy.num-hidden-layers 1 --cold-start.steps 3 --cold-start.batch-size 2 --cold-start.warmup-steps 1 "
    "--evaluation.episodes 4 --sampling.max-turn-tokens 8 --sampling.max-rollout-tokens 40 --plan.rollouts 4 "
    "--plan.initial 2 --plan.branches 1"
).split()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--run-dir", str(path), "--json", *SMALL]) == 0
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must be refused with one line on stderr and nothing on stdout."""
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("appo: ") and len(err.strip().splitlines()) == 1
    return err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--learning-rat", "1"], "unknown setting 'learning_rat'"),
        (["--optimizer.learning-rate", "fast"], "optimizer.learning_rate"),
        (["--algorithm", "appoo"], "did you mean 'appo'"),
        (["ledger", "--algorithm", "grpo"], "ledger.toml is written for appo: for grpo copy it without such settings"),
        (["--env", "appo/KnowlegeQA-v0"], "did you mean 'appo/KnowledgeQA-v0'"),
        (["--env-options", "hopss=2"], "does not accept hopss=2"),
        (["--env-options", "hops"], "expected name=value"),
        (["--plan.branches", "3"], "cannot share evenly"),
        (["--prompts-per-step", "6"], "must be a multiple of mini_batches"),
        (["--optimizer.learning-rate", "nan"], "optimizer: learning_rate must be positive and finite, got nan"),
        (["--seed", "-3"], "seed must be 0 or more"),
        (["papper"], "did you mean 'paper'"),
        (["missing.toml"], "missing.toml"),
    ],
)
def test_bad_settings(words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert message in refused(capsys, "train", *words, "--run-dir", str(path))
    assert not path.exists()


def test_only_what_another_algorithm_cannot_take_is_blamed_on_the_preset(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "is written for" not in refused(capsys, "train", "quick", "--algorithm", "grpo", "--sead", "1")
    file = tmp_path / "mine.toml"
    file.write_text("sead = 1")
    assert "is written for" not in refused(capsys, "train", str(file))


def test_malformed_and_wrong_toml(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("algorithm = \n")
    assert "mine.toml is not valid TOML" in refused(capsys, "train", str(file))
    file.write_text("[plan]\nrolouts = 3\n")
    message = refused(capsys, "train", str(file))
    assert "plan.rolouts" in message and "mine.toml" in message and "plan.rollouts" in message


def test_a_run_that_exists_is_not_touched(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in finished.rglob("*"))
    assert "is not empty" in refused(capsys, "train", "--run-dir", str(finished), *SMALL)
    assert sorted((path, path.stat().st_mtime_ns) for path in finished.rglob("*")) == before


def test_a_locked_run_is_not_resumed(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunDir.open(finished).lock():
        assert "is in use by process" in refused(capsys, "train", "--resume", str(finished))


def test_a_path_that_cannot_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot create a run" in refused(capsys, "train", "--run-dir", str(tmp_path / "file" / "run"), *SMALL)


def test_a_resumed_run_keeps_its_settings(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "train", "--resume", str(finished), "--optimizer.learning-rate", "1.0")
    assert "a resumed run keeps its settings" in message
    assert "neither a configuration file" in refused(capsys, "train", "paper", "--resume", str(finished))
    assert "no run at" in refused(capsys, "train", "--resume", str(finished / "nowhere"))


def test_the_result_is_one_json_object(finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["train", "--run-dir", str(tmp_path / "run"), "--json", *SMALL]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err == "" and result["before"]["episodes"] == result["after"]["episodes"] == 4
    assert result["generated_tokens"] >= 200 and result["algorithm"] == "appo"


def test_a_finished_run_can_be_given_a_larger_budget(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    assert main(["train", "--run-dir", path, "--json", *SMALL]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["train", "--resume", path, "--json", "--token-budget", "700"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["steps"] > first["steps"] and second["generated_tokens"] >= 700


def test_a_run_leaves_what_the_readme_says(finished: Path) -> None:
    names = ["config.toml", "metrics.jsonl", "learning_curve.png", "policy/config.json", "policy/tokenizer.json"]
    assert all((finished / name).stat().st_size > 0 for name in names)
    assert list((finished / "records").glob("*.msgpack")) and list((finished / "transcripts").glob("*.txt"))
    assert list((finished / "tensorboard").iterdir()) and list((finished / "checkpoints").iterdir())


def test_eval_gives_success_interval_and_episodes(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["eval", str(finished), "--episodes", "6", "--seed", "3", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["episodes"] == 6 and len(first["interval"]) == 2 and 0 <= first["success"] <= 1
    assert main(["eval", str(finished), "--episodes", "6", "--seed", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert main(["eval", str(finished), "--episodes", "6"]) == 0
    assert capsys.readouterr().out.startswith("success ")


def test_eval_keeps_its_episodes_and_figures_for_the_viewer(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["eval", str(finished), "--episodes", "6", "--name", "first", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    records = read_records(finished / "records" / "evaluation_first.msgpack")
    assert [record.task_id for record in records] == [f"test/0/{index}" for index in range(6)]
    assert all(len(record.rollouts) == 1 and record.prompt.text for record in records)
    assert math.fsum(record.rollouts[0].reward for record in records) / 6 == pytest.approx(shown["reward"])
    library = Library([finished])
    (run,) = library.summary().runs
    (kept,) = [result for result in run.held_out if result.name == "eval first"]
    assert kept.figures["success"] == shown["success"] and [kept.low, kept.high] == shown["interval"]
    (file,) = [file for file in run.files if file.key == "evaluation_first"]
    assert file.kind == "evaluation" and len(file.trees) == 6
    assert library.chunk("0/evaluation_first/5") is not None and run.notes == ()


def test_eval_says_how_far_it_is_and_json_says_nothing_else(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "CHUNK", 4)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    capsys.readouterr()
    assert main(["eval", str(finished), "--episodes", "10", "--no-record"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[:3] for line in lines[:2]] == [
        ["eval:", "40%", "4 of 10 episodes"],
        ["eval:", "80%", "8 of 10 episodes"],
    ]
    assert len(lines) == 3 and " on 10 test episodes" in lines[2]
    assert main(["eval", str(finished), "--episodes", "10", "--no-record", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_eval_keeps_nothing_when_told_so_and_refuses_names_that_are_paths(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(finished.rglob("*"))
    assert main(["eval", str(finished), "--episodes", "2", "--seed", "9", "--no-record"]) == 0
    assert "try next" not in capsys.readouterr().out
    for name in ("../out", "a/b", "", ".hidden", "a b", "x" * 101):
        assert "--name must be" in refused(capsys, "eval", str(finished), "--name", name)
    assert sorted(finished.rglob("*")) == before
    assert main(["eval", str(finished), "--episodes", "2", "--seed", "9"]) == 0
    assert f"try next  appo view {finished}" in capsys.readouterr().out
    assert (finished / "records" / "evaluation_test_seed9.json").is_file()


def test_an_evaluation_that_cannot_be_written_is_one_line(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, records: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evaluation_files, "write_records", full)
    message = refused(capsys, "eval", str(finished), "--episodes", "2", "--json")
    assert "No space left on device" in message and "--no-record" in message


def test_eval_of_nothing(finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no run at" in refused(capsys, "eval", str(tmp_path / "run"))
    assert "--episodes must be at least 1" in refused(capsys, "eval", str(finished), "--episodes", "0")
    assert "split" in refused(capsys, "eval", str(finished), "--split", "tests")


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_loads(name: str) -> None:
    config = load_config(name, [])
    assert config == load_config(str(PRESETS / f"{name}.toml"), [])


def test_presets_and_algorithms_combine() -> None:
    assert load_config(None, []) == load_config("default", [])
    assert load_config(None, ["--algorithm", "grpo"]).plan.sources == 0
    assert load_config(None, ["--algorithm", "appo"]) == load_config("default", [])
    assert load_config(None, ["--model", "tiny"]) == load_config("default", [])
    assert load_config(None, ["--model", "a/model"]).advantage == default_config("appo").advantage
    assert load_config("default", ["--model=a/model"]).advantage == load_config("default", []).advantage
    assert load_config("paper", ["--plan.initial", "8", "--plan.branches", "1"]).plan.sources == 8
    with pytest.raises(ConfigError, match="no algorithm"):
        load_config(None, ["--algorithm", "luck"])


def test_help_shows_every_setting_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    shown = capsys.readouterr().out
    assert stopped.value.code == 0
    for text in (
        "--plan.criterion",
        "--advantage.future-weight",
        "--optimizer.learning-rate",
        "--run-dir",
        "(default:",
    ):
        assert text in shown


def test_a_run_may_begin_with_the_policy_of_another(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SMALL, "--token-budget", "0", "--cold-start.steps", "0", "--json"]
    first, second = tmp_path / "begun", tmp_path / "new"
    assert main(["train", "--run-dir", str(first), *words, "--cold-start.policy", str(finished / "policy")]) == 0
    assert main(["train", "--run-dir", str(second), *words]) == 0
    weights = [(run / "policy" / "model.safetensors").read_bytes() for run in (finished, first, second)]
    assert weights[0] == weights[1] != weights[2]
    capsys.readouterr()
    assert "holds no policy" in refused(capsys, "train", *words, "--cold-start.policy", str(tmp_path))


def begun_elsewhere(finished: Path, folder: Path, *words: str) -> Path:
    """A run of two steps whose first policy has been moved away since."""
    base, run = folder / "base", folder / "run"
    shutil.copytree(finished / "policy", base)
    start = ["--cold-start.steps", "0", "--cold-start.policy", str(base), "--max-steps", "1"]
    assert main(["train", "--run-dir", str(run), *SMALL, *start, *words, "--json"]) == 0
    base.rename(folder / "moved")
    return run


def test_a_run_goes_on_and_is_diagnosed_without_the_policy_that_it_began_with(finished: Path, tmp_path: Path) -> None:
    run, alike = begun_elsewhere(finished, tmp_path / "a"), begun_elsewhere(finished, tmp_path / "b")
    (tmp_path / "b" / "moved").rename(tmp_path / "b" / "base")
    for each in (run, alike):
        more = ["--max-steps", "2", "--token-budget", "100000"]
        assert main(["train", "--resume", str(each), *more, "--json"]) == 0
    assert RunDir.open(run).checkpoint(2).is_dir()
    weights = [(each / "policy" / "model.safetensors").read_bytes() for each in (run, alike)]
    assert weights[0] == weights[1]
    few = ["--prompts", "1", "--rollouts", "1", "--tokens", "2", "--continuations", "4", "--gradient-draws", "0"]
    assert main(["diagnose", str(run), *few]) == 0


def test_a_policy_of_another_size_than_the_settings_say_is_missed_with_its_folder(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun_elsewhere(finished, tmp_path, "--policy.hidden-size", "64")
    capsys.readouterr()
    said = refused(capsys, "train", "--resume", str(run), "--max-steps", "2", "--json")
    assert "32), expected (167, 64)" in said and "put cold_start.policy back" in said
