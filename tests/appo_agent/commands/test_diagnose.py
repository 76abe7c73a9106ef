import json
from pathlib import Path

import pytest
from matplotlib.image import imread

from appo_agent.analysis.diagnose.diagnosis_file import read_diagnosis, write_diagnosis
from appo_agent.analysis.diagnose.report import markdown
from appo_agent.commands.main import main
from appo_agent.errors import RunError

RUN = [
    *("train", "quick", "--token-budget", "1500", "--prompts-per-step", "4", "--policy.num-hidden-layers", "1"),
    *("--cold-start.steps", "60", "--evaluation.episodes", "8", "--evaluation.validation-episodes", "0"),
    *("--plan.rollouts", "4", "--plan.initial", "2", "--plan.branches", "1", "--checkpoint-every", "1", "--json"),
]
SMALL = ["--prompts", "2", "--rollouts", "1", "--tokens", "6", "--continuations", "4", "--gradient-draws", "3"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "first"
    assert main([*RUN, "--run-dir", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def diagnosed(trained: Path) -> Path:
    assert main(["diagnose", str(trained), *SMALL]) == 0
    return trained / "diagnosis"


def test_a_run_is_diagnosed_from_end_to_end(diagnosed: Path) -> None:
    found = json.loads((diagnosed / "diagnosis.json").read_text())
    # Two rollouts, at most six tokens of each.
    assert 2 <= len(found["tokens"]) <= 12
    assert found["algorithm"] == "appo" and found["config"]["branches"] == 1
    assert {"branching_score_strict", "branching_score", "entropy", "random", "oracle"} <= {
        each[0] for each in found["rule_figures"]
    }
    assert [each[0] for each in found["gradients"]] == ["appo", "grpo"]
    assert found["omega"] and len(found["bins"]) == 5
    assert sum(each[1] for each in found["places"]) == pytest.approx(1)
    for each in found["places"]:
        assert all(0 <= share <= 1 for share in each[3])


def test_the_report_and_the_pictures_are_there(diagnosed: Path) -> None:
    text = (diagnosed / "report.md").read_text()
    for heading in ("## Rules", "## Along a rollout", "## Where choices fall", "## Noise of the gradient", "## Omega"):
        assert heading in text
    for name in ("rules.png", "chosen_tokens.png", "along_rollouts.png", "omega.png", "branches.png"):
        drawn = (imread(diagnosed / name)[..., :3] < 0.9).any(axis=2)
        # Figures with axes have some ink everywhere; clouds alone would not show if their panels stayed empty.
        assert drawn.mean() > 0.02, name


def test_a_diagnosis_is_read_back_as_it_was_written(diagnosed: Path, tmp_path: Path) -> None:
    whole = read_diagnosis(diagnosed / "diagnosis.json")
    write_diagnosis(whole, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (diagnosed / "diagnosis.json").read_bytes()
    write_diagnosis(whole, tmp_path / "brief.json", brief=True)
    brief = read_diagnosis(tmp_path / "brief.json")
    assert (brief.tokens, brief.branches) == ((), ()) and brief.rule_figures[0].rule == whole.rule_figures[0].rule
    # The page needs no more.
    assert markdown(whole).split("## Branches")[0].strip() == markdown(brief).strip()
    assert (tmp_path / "brief.json").stat().st_size < 20_000
    (tmp_path / "old.json").write_text("{}")
    with pytest.raises(RunError, match="diagnose the run again"):
        read_diagnosis(tmp_path / "old.json")


def test_the_same_seed_finds_the_same(trained: Path, diagnosed: Path, tmp_path: Path) -> None:
    assert main(["diagnose", str(trained), *SMALL, "--out", str(tmp_path / "again")]) == 0
    again = (tmp_path / "again" / "diagnosis.json").read_bytes()
    assert again == (diagnosed / "diagnosis.json").read_bytes()


def test_the_run_stays_as_it_was(trained: Path, diagnosed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if "diagnosis" not in path.parts}
    assert main(["diagnose", str(trained), *SMALL, "--gradient-draws", "0"]) == 0
    after = {path: path.stat().st_mtime_ns for path in before}
    assert before == after


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--continuations", "3"], "continuations must be an even number of at least 4, got 3"),
        (["--prompts", "0"], "prompts must be at least 1, got 0"),
        (["--gradient-draws", "2"], "gradient_draws must be 0 or at least 3, got 2"),
        (["--split", "nowhere"], "nowhere"),
        (["--seed", "-5"], "seed must be 0 or more, got -5"),
        (["--branches", "0"], "branches and gradient_prompts must be at least 1"),
        (["--out", "/dev/null/here"], "cannot write /dev/null/here: Not a directory"),
        (["--keep", "/dev/null/here.json"], "cannot write /dev/null: File exists"),
    ],
)
def test_bad_input_is_one_line(
    trained: Path, capsys: pytest.CaptureFixture[str], flags: list[str], complaint: str
) -> None:
    capsys.readouterr()  # A fixture trained and talked.
    assert main(["diagnose", str(trained), *SMALL, *flags]) == 2
    shown = capsys.readouterr()
    assert complaint in shown.err and shown.err.count("\n") == 1
    assert shown.out == "", "it began to measure"


def test_what_is_no_run_or_has_no_checkpoint_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err
    (tmp_path / "config.toml").write_text((trained / "config.toml").read_text())
    assert main(["diagnose", str(tmp_path)]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err
