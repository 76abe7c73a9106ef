"""`appo bench overlap` and `hash`: training tasks beside the questions of benchmarks."""

import json
from pathlib import Path

import pytest

from appo_agent.commands.main import EXIT_ERROR, main
from appo_agent.training.contamination import EvaluationIndex
from appo_envs import Task


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = {
        "gsm8k": [{"question": f"question {n}", "answer": f"#### {n}"} for n in range(10)],
        "gaia": [{"task_id": f"t{n}", "Question": f"question {n}", "answer": f"{n}", "Level": 1} for n in range(4)],
    }
    for name, listed in rows.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        text = "".join(json.dumps(row) + "\n" for row in listed)
        (tmp_path / "data" / name / "test.jsonl").write_text(text)
    return tmp_path / "data"


def test_training_tasks_are_checked_against_the_data(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"id": "mine", "prompt": "how many sheep"}\n')
    assert main(["bench", "overlap", str(tasks), "gsm8k", "--data-dir", str(data)]) == 0
    tasks.write_text('{"id": "mine", "question": "Question 3!"}\n')
    assert main(["bench", "overlap", str(tasks), "gsm8k", "--data-dir", str(data)]) == 1
    assert "task mine shares 100% of gsm8k/3: 'question 3'" in capsys.readouterr().out


def test_hashes_of_a_benchmark_refuse_its_questions_and_do_not_show_them(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    assert main(["bench", "hash", "gsm8k,gaia", "--data-dir", str(data), "--out", str(path)]) == 0
    index = EvaluationIndex.open([str(path)])
    assert len(index) == 14 and b"question" not in path.read_bytes()
    assert [found.item for found in index.overlaps([Task("t", "Question 9?", "")])] == ["gsm8k/9"]


@pytest.mark.parametrize("line", ["no JSON", "[1]", '{"id": "a"}'])
def test_training_tasks_that_cannot_be_read_are_said_with_their_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    words = ["gsm8k", "--data-dir", str(data)]
    tasks = tmp_path / "tasks.jsonl"
    assert main(["bench", "overlap", str(tasks), *words]) == EXIT_ERROR
    tasks.write_text(f'{{"question": "How many?"}}\n{line}\n')
    assert main(["bench", "overlap", str(tasks), *words]) == EXIT_ERROR
    said = capsys.readouterr().err
    assert "expected training tasks as JSONL in" in said and "tasks.jsonl:2: expected an object with" in said
    assert main(["bench", "hash", *words, "--out", str(tmp_path / "none" / "x.npz")]) == EXIT_ERROR
