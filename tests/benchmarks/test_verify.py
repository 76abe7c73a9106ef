"""Whatever is edited after a run shows."""

import json
import math
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from appo_benchmarks.endpoint import Endpoint
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.play import PlaySettings
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.report import Prices, ledger, notes
from appo_benchmarks.results import ResultFolder
from appo_benchmarks.session import RunRequest, judge_run, run, write_report
from appo_benchmarks.verify import verify

from tests.benchmarks.chat_server import Reply, serving


@pytest.fixture
def folder(tmp_path: Path) -> ResultFolder:
    """Four questions of GAIA, of which the first two are asked and judged."""
    rows = [{"task_id": f"t{n}", "Question": f"question {n}", "answer": f"{n}", "Level": 1} for n in range(4)]
    (tmp_path / "gaia").mkdir()
    (tmp_path / "gaia" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serving(lambda body: "so \\boxed{1}") as server:
        found = run(
            RunRequest(server.url, ("gaia",), tmp_path, tmp_path / "out", "cot", limit=2, play=PlaySettings(0.6, 64))
        )
    with serving(lambda body: "<think>Verdict: incorrect?</think>Verdict: correct") as judge:
        judge_run(found, Endpoint(judge.url))
    write_report(found, "scripted")
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_folder_that_nobody_touched_is_sound(folder: ResultFolder) -> None:
    assert verify(folder) == ()


def test_questions_that_must_not_be_published_stay_out_of_repositories(folder: ResultFolder) -> None:
    subprocess.run(["git", "init", "-q", str(folder.path)], check=True)
    listed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"], cwd=folder.path, check=True, capture_output=True
    )
    names = {line.split()[-1] for line in listed.stdout.decode().splitlines()}
    assert names == {"run.json", "report.json", "report.md", "report.html"}
    for name in names:
        assert "question 0" not in (folder.path / name).read_text()


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("gaia/outputs.jsonl", '"format_ok":true', '"format_ok":false', "the format is called wrong, its text is not"),
        ("gaia/outputs.jsonl", '"answer":"1"', '"answer":"0"', "#0: the answer is '0', its text says '1'"),
        ("gaia/verdicts.jsonl", '"word": "correct"', '"word": "incorrect"', "a verdict is 'incorrect', its reply says"),
        ("gaia/items.jsonl", '"golds": ["0"]', '"golds": ["1"]', "items.jsonl holds other questions or answers"),
        ("gaia/items.jsonl", "question 0", "question 9", "items.jsonl holds other questions or answers"),
        ("report.json", '"headline": 1.0', '"headline": 0.9', "report.figures[0].headline: the report says 0.9"),
        ("report.md", "100.0%", "99.0%", "report.md is not the report of these outputs"),
        ("report.html", "100.0%", "99.0%", "report.html is not the report of these outputs"),
    ],
)
def test_an_edit_is_found(folder: ResultFolder, file: str, old: str, new: str, words: str) -> None:
    edit(folder.path / file, old, new)
    # Also when the report was made again from what was edited.
    if file.startswith("gaia"):
        write_report(folder, "" if "items" in file else "scripted")
    assert any(words in said for said in verify(folder))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"max_turns": 12', b'"max_turns": 0'),
        (b'"max_turns": 12', b'"max_turns": "x"'),
        (b'"max_turns": 12', b"\xff"),
        (b'"items": 2', b'"items": null'),
        (b'"samples": 1', b'"samples": [1]'),
        (b'{\n  "format": 1', b"[" * 100_000),
    ],
)
def test_a_damaged_note_on_the_run_is_said(folder: ResultFolder, old: bytes, new: bytes) -> None:
    path = folder.path / "run.json"
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(BenchmarkError, match=r"run.json is damaged: "):
        verify(folder)


def test_a_damaged_item_is_said(folder: ResultFolder) -> None:
    edit(folder.path / "gaia" / "items.jsonl", '"question 0"', "7")
    with pytest.raises(BenchmarkError, match=r"items.jsonl is missing or damaged: question: expected str, got 7"):
        verify(folder)


def test_a_judge_who_has_said_nothing_is_no_zero(folder: ResultFolder) -> None:
    with pytest.raises(BenchmarkError, match="'typo' has judged none of 2 answers .* verdicts of 'scripted'"):
        write_report(folder, "typo")


def test_answers_that_were_not_judged_yet_are_told(folder: ResultFolder) -> None:
    path = folder.verdicts("gaia")
    path.write_text(path.read_text().splitlines()[0] + "\n")
    write_report(folder, "scripted")
    assert "Unfinished: 1 answers were not judged yet." in (folder.path / "report.md").read_text()


def test_the_note_on_the_data_tells_a_part_from_the_whole(folder: ResultFolder) -> None:
    report = write_report(folder, "scripted")
    (source,) = report.info.sources
    known = replace(source, ids_sha256=benchmark_of("gaia").ids_sha256)
    said = []
    for each in (source, known, replace(known, items=103)):
        ((_, lines),) = notes(replace(report, info=replace(report.info, sources=(each,))))
        said.append(next(line for line in lines if line.startswith("data: ")).partition(";")[0])
    assert said == [
        "data: other items than those of the public APPO evaluation files",
        "data: the first 2 of the 103 items of the public APPO evaluation files",
        "data: the items of the public APPO evaluation files",
    ]


def test_what_an_endpoint_says_in_several_lines_is_one_line_of_the_report(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text('{"question": "Q", "answer": "1"}\n')
    with serving(lambda body: Reply(400, b"too long\n\n# A heading")) as server:
        found = run(RunRequest(server.url, ("gsm8k",), tmp_path, tmp_path / "out", "cot"))
    write_report(found)
    assert (
        "\n- failed: gsm8k/0#0: RequestRefused: the endpoint answers 400: too long # A heading\n"
        in (found.path / "report.md").read_text()
    )


def test_tokens_and_what_they_cost_are_in_the_ledger_and_verified(folder: ResultFolder) -> None:
    # Each answer of the scripted model and judge has 10 tokens read and 5 written.
    report = write_report(folder, "scripted", prices=Prices(100_000, 200_000))
    assert ledger(report) == "The model read 20 tokens and wrote 10, for 4.00; the judge, 30 tokens."
    assert "cost 4.00" in (folder.path / "report.md").read_text() and verify(folder) == ()
    edit(folder.path / "report.json", '"prompt": 100000', '"prompt": 1')
    assert any("report.md is not the report" in said for said in verify(folder))
    assert ledger(write_report(folder)) == "The model read 20 tokens and wrote 10."


def test_tokens_of_tries_and_verdicts_that_were_replaced_were_paid_too(folder: ResultFolder) -> None:
    path = folder.outputs("gaia")
    tried, *others = path.read_text().splitlines(keepends=True)
    failed = tried.replace('"answer":"1"', '"answer":null').replace('"error":""', '"error":"RequestRefused: busy"')
    path.write_text("".join([failed, tried, *others]))
    with serving(lambda body: "Verdict: correct") as judge:
        judge_run(folder, Endpoint(judge.url), rejudge=True)
    report = write_report(folder, "scripted")
    assert ledger(report) == "The model read 30 tokens and wrote 15; the judge, 60 tokens."
    assert report.figures[0].outcomes[0].number == 2 and verify(folder) == ()


@pytest.mark.parametrize("price", [-1.0, math.nan, math.inf])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(BenchmarkError, match="prices must be at least 0"):
        Prices(0, price)


def test_broken_characters_in_questions_survive(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text('{"question": "Q \\ud800", "answer": "1"}\n')
    with serving(lambda body: "\\boxed{1}") as server:
        found = run(RunRequest(server.url, ("gsm8k",), tmp_path, tmp_path / "out", "cot"))
    assert found.items("gsm8k")[0].question == "Q \ud800"
    write_report(found)
    assert verify(found) == ()
