"""Every layout in use is read, and whatever is wrong with a file is said with its line."""

import json
from pathlib import Path

import pytest
from appo_benchmarks.benchmark import Item
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.loaders import ids_checksum, load_items
from appo_benchmarks.registry import BENCHMARKS, benchmark_of


def written(folder: Path, name: str, *rows: object, file: str = "test.jsonl") -> Path:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / file).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


LAYOUTS = [
    ("gsm8k", {"question": "Q", "answer": "2*500=<<2*500=1000>>1000\n#### 1,000", "idx": 7}, ("7", ("1000",), "", "")),
    ("aime24", {"id": 60, "problem": "P", "question": "Q", "solution": "s", "answer": "204"}, ("60", ("204",), "", "")),
    ("aime25", {"problem": "Q", "answer": 70, "id": "0"}, ("0", ("70",), "", "")),
    ("math500", {"question": "Q", "answer": "p - q"}, ("0", ("p - q",), "", "")),
    (
        "math",
        {"problem": "Q", "level": "Level 5", "type": "Algebra", "solution": "so \\boxed{\\frac{1}{2}}."},
        ("0", ("\\frac{1}{2}",), "Level 5", "Algebra"),
    ),
    (
        "math",
        {
            "problem": "Q",
            "level": "Level 3",
            "solution": "",
            "subject": "Prealgebra",
            "unique_id": "u/1",
            "answer": "4",
        },
        ("u/1", ("4",), "Level 3", "Prealgebra"),
    ),
    ("bamboogle", {"Question": "Q", "Answer": "A"}, ("0", ("A",), "", "")),
    (
        "musique",
        {
            "id": "2hop__1_2",
            "question": "Q",
            "answer": "NYC",
            "answer_aliases": ["New York", "NYC"],
            "answerable": True,
        },
        ("2hop__1_2", ("NYC", "New York"), "", ""),
    ),
    (
        "musique",
        {"id": "2hop__1_3", "question": "Q", "answer": "NYC", "answer_aliases": []},
        ("2hop__1_3", ("NYC",), "", ""),
    ),
    ("2wikimultihopqa", {"question": "Q", "answer": ["NYC", "New York", "NYC"]}, ("0", ("NYC", "New York"), "", "")),
    (
        "webwalkerqa",
        {"question": "Q", "answer": "A", "root_url": "u", "info": {"difficulty_level": "easy", "type": "single"}},
        ("0", ("A",), "easy", "single"),
    ),
    (
        "gaia",
        {"id": 1, "task_id": "ab-c", "Question": "Q", "answer": "17", "Level": 2, "Annotator_Metadata": {"Steps": ""}},
        ("ab-c", ("17",), "2", ""),
    ),
    (
        "gaia",
        {"task_id": "x", "Question": "Q", "Final answer": "17", "Level": "3", "file_name": ""},
        ("x", ("17",), "3", ""),
    ),
    (
        "hle",
        {"id": "66", "question": "Q", "answer": "D", "category": "Math", "canary": "c", "has_image": False},
        ("66", ("D",), "", "Math"),
    ),
    ("musique", {"id": "a", "question": "Q", "answer": None, "golden_answers": ["x"]}, ("a", ("x",), "", "")),
    ("xbench_deepsearch", {"question": "Q", "answer": ["161.27元"]}, ("0", ("161.27元",), "", "")),
]


@pytest.mark.parametrize(("name", "row", "expected"), LAYOUTS)
def test_a_row_of_each_layout_is_read(
    tmp_path: Path, name: str, row: dict[str, object], expected: tuple[str, tuple[str, ...], str, str]
) -> None:
    loaded = load_items(benchmark_of(name), written(tmp_path, name, row))
    own, golds, level, subject = expected
    question = "P" if name == "aime24" and "question" not in row else "Q"
    assert loaded.items == (Item(f"{name}/{own}", question, golds, level, subject),)


def test_folders_of_the_public_code_are_found_under_their_names(tmp_path: Path) -> None:
    written(tmp_path, "2wiki", {"question": "Q", "answer": ["A"]})
    assert load_items(benchmark_of("2wikimultihopqa"), tmp_path).path == tmp_path / "2wiki" / "test.jsonl"


def test_an_empty_placeholder_gives_way_to_the_file_beside_it(tmp_path: Path) -> None:
    written(tmp_path, "hle")
    written(tmp_path, "hle", {"id": "1", "question": "Q", "answer": "A"}, file="top.json")
    assert load_items(benchmark_of("hle"), tmp_path).path.name == "top.json"


def test_items_that_need_an_image_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"id": str(n), "question": "Q", "answer": "A", "has_image": n == 0} for n in range(3)]
    loaded = load_items(benchmark_of("hle"), written(tmp_path, "hle", *rows))
    assert [item.id for item in loaded.items] == ["hle/1", "hle/2"] and loaded.left_out == 1


def test_separators_inside_texts_do_not_end_a_line(tmp_path: Path) -> None:
    (tmp_path / "math500").mkdir()
    text = json.dumps({"question": "a\u2028b", "answer": "1"}, ensure_ascii=False)
    (tmp_path / "math500" / "test.jsonl").write_text(text + "\n", encoding="utf-8")
    assert load_items(benchmark_of("math500"), tmp_path).items[0].question == "a\u2028b"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"question": "Q"}], r"test.jsonl:1: expected an answer under one of"),
        ([{"question": "Q", "answer": ""}], r"test.jsonl:1: expected an answer"),
        ([{"question": "Q", "answer": ["A", " "]}], r"test.jsonl:1: expected an answer"),
        ([{"question": "Q", "answer": True}], r"test.jsonl:1: expected an answer"),
        (
            [{"text": "Q", "answer": "A"}],
            r"test.jsonl:1: expected a text under one of .* the row has \['answer', 'text'\]",
        ),
        ([{"id": 1, "question": "Q", "answer": "A"}] * 2, r"test.jsonl:2: the id 'hotpotqa/1' was used on line 1"),
        (
            [{"question": "Q", "answer": "A", "answer_aliases": [1.5, " "]}],
            r"test.jsonl:1: expected a list of other forms",
        ),
        ([["Q", "A"]], r"test.jsonl:1: expected a JSON object"),
        ([], r"is empty; take split 'validation' of the data set hotpotqa/hotpot_qa"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path, rows: list[object], words: str) -> None:
    with pytest.raises(BenchmarkError, match=words):
        load_items(benchmark_of("hotpotqa"), written(tmp_path, "hotpotqa", *rows))


@pytest.mark.parametrize("line", ['{"question": ', '{"question": "Q", "answer": ' + "[" * 100_000])
def test_text_that_is_no_json_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "hotpotqa.jsonl").write_text('{"question": "Q", "answer": "A"}\n' + line, encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"hotpotqa.jsonl:2: no JSON"):
        load_items(benchmark_of("hotpotqa"), tmp_path)


def test_missing_data_say_what_to_accept_and_where_to_put_it(tmp_path: Path) -> None:
    words = (
        r"accept the conditions of gaia-benchmark/GAIA; save it as JSONL in DIR/gaia/test.jsonl and give --data-dir DIR"
    )
    with pytest.raises(BenchmarkError, match=words):
        load_items(benchmark_of("gaia"), tmp_path)


@pytest.mark.parametrize("answer", ["it is 5", "it is 5 ####", "####", "it is #### 5 of 6"])
def test_a_solution_of_gsm8k_without_its_number_is_refused(tmp_path: Path, answer: str) -> None:
    with pytest.raises(BenchmarkError, match="test.jsonl:1: expected a number, .*'#### number', got '.*'"):
        load_items(benchmark_of("gsm8k"), written(tmp_path, "gsm8k", {"question": "Q", "answer": answer}))


def test_the_checksum_knows_items_and_not_their_order() -> None:
    items = [Item("a", "Q", ("1",)), Item("b", "R", ("2",))]
    assert ids_checksum(items) == ids_checksum(items[::-1])
    assert ids_checksum(items) != ids_checksum([Item("a", "Q", ("1",)), Item("b", "S", ("2",))])


def test_the_registry_has_the_thirteen_of_the_paper_and_one_more() -> None:
    assert len(BENCHMARKS) == 14
    for benchmark in BENCHMARKS.values():
        assert benchmark.items and benchmark.tools and bool(benchmark.ids_sha256) == (benchmark.name != "math")
        assert benchmark.published and all(one.source and 0 < one.value <= 100 for one in benchmark.published)
        assert bool(benchmark.access) == bool(benchmark.canary)


def test_an_unknown_benchmark_is_told_its_neighbour() -> None:
    with pytest.raises(BenchmarkError, match="no benchmark 'gsm8'; did you mean 'gsm8k'"):
        benchmark_of("gsm8")
