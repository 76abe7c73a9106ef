"""Tasks in files."""

import json
from pathlib import Path

import pytest

from appo_envs.errors import TaskError
from appo_envs.tasks import Task
from appo_envs.tasks.jsonl import read_jsonl


def _file(folder: Path, *lines: object) -> Path:
    path = folder / "tasks.jsonl"
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_become_tasks_with_ids_of_their_own_or_by_line(tmp_path: Path) -> None:
    source = read_jsonl(
        _file(
            tmp_path,
            {"question": "1 + 1 ?", "answer": 2},
            "",
            {"problem": "2 + 2 ?", "answer": "4", "id": "sum", "level": 3},
            {"prompt": "3 + 3 ?", "answer": ["6", "six"], "split": "test"},
        )
    )
    assert source.splits == ("train", "test")
    assert list(source.split("train")) == [
        Task("train/1", "1 + 1 ?", "2"),
        Task("sum", "2 + 2 ?", "4", {"level": 3}),
    ]
    assert source.task("test/4") == Task("test/4", "3 + 3 ?", "6", aliases=("six",))


def test_files_with_the_same_lines_are_equal_sources(tmp_path: Path) -> None:
    path = _file(tmp_path, {"question": "?", "answer": "a"})
    first = read_jsonl(path)
    assert first == read_jsonl(str(path))
    path.write_text('{"question": "?", "answer": "b"}')
    assert first != read_jsonl(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "expected a JSON object, got '{'"),
        ("[" * 100_000, "expected a JSON object, got .*recursion"),
        ("[1]", r"expected a JSON object, got '\[1\]'"),
        ({"question": "?"}, "the answer 'answer' is missing; .* got only 'question'"),
        ({"query": "?", "answer": "a"}, "there is no question"),
        ({"question": "?", "answer": None}, "'answer' must be a text that is not blank, or a number, got None"),
        ({"question": "", "answer": "a"}, "'question' must be a text that is not blank, got ''"),
        ({"question": "?", "answer": "a", "split": ""}, "'split' must be a text that is not empty"),
        ({"question": "?", "answer": "a", "id": None}, "'id' must be a text that is not empty"),
        ({"question": "?", "answer": "a", "id": "one"}, "the id 'one' is that of line 1 too"),
        ({"question": "?", "answer": "a", "id": 7, "context": [{}]}, "'context' must hold"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    path = _file(tmp_path, {"question": "?", "answer": "a", "id": "one"}, {"question": "?", "answer": "a"}, line)
    with pytest.raises(TaskError, match=rf"tasks\.jsonl:3: {message}"):
        read_jsonl(path)


def test_an_id_that_a_line_number_takes_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, {"question": "?", "answer": "a", "id": "train/2"}, {"question": "?", "answer": "a"})
    with pytest.raises(TaskError, match=r":2: the id 'train/2' is that of line 1 too"):
        read_jsonl(path)


def test_only_newlines_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes('\ufeff{"question": "one\u2028two", "answer": "a"}\r\n'.encode())
    assert read_jsonl(path).task("train/1").prompt == "one\u2028two"


def test_files_without_tasks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="has no tasks"):
        read_jsonl(_file(tmp_path, "", "  "))
    with pytest.raises(TaskError, match="cannot be read"):
        read_jsonl(tmp_path / "missing.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TaskError, match="cannot be read"):
        read_jsonl(tmp_path / "bytes.jsonl")
