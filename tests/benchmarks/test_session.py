"""A run that is judged: what is told on the way, and what the report makes of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from appo_agent.commands.main import main
from tests.benchmarks.chat_server import Reply, serving


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Four questions of GAIA, answered."""
    rows = [{"task_id": f"t{n}", "Question": f"question {n}", "answer": f"{n}", "Level": 1} for n in range(4)]
    (tmp_path / "gaia").mkdir()
    (tmp_path / "gaia" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert play(tmp_path) == 0
    return tmp_path / "out"


def play(data: Path, *flags: str) -> int:
    where = ["--data-dir", str(data), "--out", str(data / "out"), "--model-name", "m", "--method", "cot"]
    with serving(lambda body: "so \\boxed{2}") as server:
        return main(["bench", "run", server.url, "gaia", *where, *flags])


def test_an_answer_that_the_judge_failed_is_not_judged_until_it_is(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = True

    def fails_one(body: Mapping[str, Any]) -> Reply | str:
        return Reply(400, b"overloaded") if broken and "question 1" in str(body) else "Verdict: correct"

    def judged(url: str) -> dict[str, Any]:
        assert main(["bench", "report", str(out), "--judge", url]) == 0
        return json.loads((out / "report.json").read_text())["figures"][0]["judge"]

    with serving(fails_one) as judge:
        figures = judged(judge.url)
        assert (figures["not_judged"], figures["neither"], figures["strict"]) == (1, 0, 0.75)
        assert "gaia: the judge failed 1 requests, such as: the endpoint answers 400" in capsys.readouterr().err
        assert "Unfinished: 1 answers were not judged yet" in (out / "report.md").read_text()
        broken = False
        figures = judged(judge.url)
        assert (figures["not_judged"], figures["strict"], len(judge.asked)) == (0, 1.0, 5)


def test_a_headline_that_turns_from_the_judge_to_the_grader_is_told(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(lambda body: "Verdict: correct") as judge:
        main(["bench", "report", str(out), "--judge", judge.url])
    main(["bench", "report", str(out), "--judge-model", "scripted"])
    assert capsys.readouterr().err.count("headline") == 0
    main(["bench", "report", str(out)])
    said = "the headline of gaia is the grader's now; the verdicts of scripted count with --judge or --judge-model\n"
    assert capsys.readouterr().err == said


def test_half_a_character_in_a_level_is_shown_as_its_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gaia").mkdir()
    row = {"task_id": "\ud800", "Question": "question 2", "answer": "2", "Level": "\ud800"}
    (tmp_path / "gaia" / "test.jsonl").write_text(json.dumps(row) + "\n")
    assert play(tmp_path) == 0
    assert "level \\ud800: 100.0%" in capsys.readouterr().out
    assert main(["bench", "report", str(tmp_path / "out"), "--json"]) == 0
    (group,) = json.loads(capsys.readouterr().out)["figures"][0]["groups"]
    assert group[1] == "\ud800"
    outputs = tmp_path / "out" / "gaia" / "outputs.jsonl"
    outputs.write_text(outputs.read_text().replace('"answer":"2"', '"answer":"3"'))
    assert main(["bench", "verify", str(tmp_path / "out")]) == 1
    assert "gaia/\\ud800#0: the answer is '3'" in capsys.readouterr().out


def test_a_page_of_the_folder_leaves_the_report_sound(out: Path) -> None:
    assert main(["view", str(out)]) == 0
    assert main(["bench", "verify", str(out)]) == 0
