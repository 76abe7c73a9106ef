"""Evaluation items among training tasks are found, also when they were changed a little."""

import json
from pathlib import Path

import pytest
from appo_benchmarks.registry import BENCHMARKS

from appo_agent.commands.main import main
from appo_agent.errors import ConfigError
from appo_agent.training import contamination
from appo_agent.training.contamination import PUBLIC, EvaluationIndex, EvaluationItem
from appo_envs import Task

QUESTION = "Which river flows past the town where the founder of the oldest observatory in the region was born?"
ITEMS = [
    EvaluationItem("hotpotqa/0", QUESTION),
    EvaluationItem("bamboogle/1", "Who wrote it?"),
    EvaluationItem("xbench/2", "截至2024年12月31日，最高价与最低价之差约为多少？"),
]


def nearest(prompt: str) -> list[tuple[str, float]]:
    return [(one.item, one.share) for one in EvaluationIndex(ITEMS).overlaps([Task("t", prompt, "")])]


def test_an_item_is_found_whatever_its_case_and_punctuation() -> None:
    assert nearest(QUESTION.upper().replace(" ", ",  ")) == [("hotpotqa/0", 1.0)]


def test_an_item_inside_a_longer_task_is_found() -> None:
    assert nearest(f"Answer this: {QUESTION} Think first.") == [("hotpotqa/0", 1.0)]


def test_an_item_with_its_end_changed_is_found_and_its_share_is_said() -> None:
    # 18 words have 11 eight-grams; another last word breaks one of them.
    assert nearest(QUESTION.replace("born", "buried")) == [("hotpotqa/0", 10 / 11)]


def test_a_question_of_its_own_is_no_overlap() -> None:
    assert nearest("Which river flows past the town where the oldest bridge of the country was built long ago?") == []


def test_short_and_unspaced_questions_count_too() -> None:
    assert nearest("who wrote it") == [("bamboogle/1", 1.0)]
    assert nearest("截至2024年12月31日,最高价与最低价之差约为多少") == [("xbench/2", 1.0)]


def test_a_refusal_shows_the_overlap() -> None:
    index = EvaluationIndex(ITEMS)
    index.refuse([Task("fine", "How many sheep are there on the hill?", "")])
    words = r"1 training tasks are evaluation items, or nearly: task bad shares 100% of hotpotqa/0: 'which river"
    with pytest.raises(ConfigError, match=words):
        index.refuse([Task("fine", "How many sheep are there?", ""), Task("bad", QUESTION, "")])


def test_nothing_overlaps_with_nothing() -> None:
    assert EvaluationIndex([]).overlaps([Task("t", QUESTION, "")]) == ()


def test_a_saved_index_finds_the_same_and_holds_no_words(tmp_path: Path) -> None:
    index, path = EvaluationIndex(ITEMS), tmp_path / "items.npz"
    index.save(path)
    tasks = [Task("a", QUESTION.replace("born", "buried"), ""), Task("b", "who wrote it", ""), Task("c", "What?", "")]
    assert EvaluationIndex.open([str(path)]).overlaps(tasks) == index.overlaps(tasks) != ()
    assert EvaluationIndex.open([str(path), str(path)]).overlaps(tasks) == index.overlaps(tasks)
    content = path.read_bytes()
    assert b"observatory" not in content and b"river" not in content


def test_two_questions_of_one_id_are_both_known(tmp_path: Path) -> None:
    other = "Which bridge leads to the island where the maker of the first clock with two faces kept his workshop?"
    names = []
    for number, question in enumerate((QUESTION, other)):
        path = tmp_path / f"{number}.npz"
        EvaluationIndex([EvaluationItem("gsm8k/0", question)]).save(path)
        names.append(str(path))
    index = EvaluationIndex.open(names)
    assert len(index) == 2
    assert [one.task for one in index.overlaps([Task("a", QUESTION, ""), Task("b", other, "")])] == ["a", "b"]
    index.save(tmp_path / "both.npz")
    assert len(EvaluationIndex.open([str(tmp_path / "both.npz")])) == 2


def test_the_words_that_are_shown_are_those_of_the_item_that_is_named() -> None:
    long = "once upon a time there was a very old man who lived alone in a mill beside the river and counted stones"
    items = [
        EvaluationItem(
            "a/0",
            f"{long} until he had more than anybody had ever had before him in all the lands and seas "
            "of the north and of the south together with all their islands",
        ),
        EvaluationItem("b/0", "who wrote it"),
    ]
    (found,) = EvaluationIndex(items).overlaps([Task("t", f"{long}; who wrote it", "")])
    assert (found.item, found.shared) == ("b/0", "who wrote it")


def test_what_is_no_index_is_said(tmp_path: Path) -> None:
    (tmp_path / "odd.npz").write_text("hello")
    for name in (tmp_path / "odd.npz", tmp_path / "none.npz"):
        with pytest.raises(ConfigError, match="expected 'public' or a file of `appo bench hash`, got"):
            EvaluationIndex.open([str(name)])


def test_the_shipped_index_holds_the_public_files_and_refuses_none_of_our_own_questions() -> None:
    index = EvaluationIndex.open([PUBLIC])
    assert len(index) == sum(benchmark.items for benchmark in BENCHMARKS.values()) == 9487
    assert index.overlaps([Task("t", QUESTION, ""), Task("u", "What is 17 times 4?", "")]) == ()


def test_the_shipped_name_is_read_like_any_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shipped.npz"
    EvaluationIndex(ITEMS).save(path)
    monkeypatch.setattr(contamination, "_SHIPPED", path)
    (found,) = EvaluationIndex.open([PUBLIC]).overlaps([Task("t", QUESTION, ""), Task("u", "What is 17 times 4?", "")])
    assert (found.task, found.item, found.share) == ("t", "hotpotqa/0", 1.0)


def train(tmp_path: Path, *flags: str) -> int:
    rows = [{"question": f"How many sheep are on hill {n}?", "answer": str(n)} for n in range(4)]
    tasks = tmp_path / "tasks.jsonl"
    lines = [*rows, {"question": QUESTION, "answer": "x"}]
    tasks.write_text("".join(json.dumps(row) + "\n" for row in lines))
    words = [
        "train",
        "--env",
        "appo/MathPython-v0",
        "--env-options",
        f"tasks={tasks}",
        "--model",
        str(tmp_path / "none"),
    ]
    words += ["--evaluation.split", "train", "--evaluation.validation-episodes", "0", "--cold-start.steps", "0"]
    return main([*words, "--run-dir", str(tmp_path / "run"), *flags])


def test_training_on_an_evaluation_item_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "items.npz"
    EvaluationIndex(ITEMS).save(path)
    assert train(tmp_path, "--evaluation-items", str(path)) == 2
    said = capsys.readouterr().err
    assert "1 training tasks are evaluation items" in said and "100% of hotpotqa/0: 'which river flows" in said
    assert not (tmp_path / "run").exists()


def test_tasks_that_nobody_evaluates_on_pass_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The run ends all the same, because there is no such model.
    assert train(tmp_path) != 0
    assert "evaluation items" not in capsys.readouterr().err
