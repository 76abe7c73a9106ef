"""A judge over HTTP: what it says, what it is asked again, and what is kept."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from appo_benchmarks.endpoint import Endpoint, Patience, RequestRefused
from appo_benchmarks.errors import BenchmarkError, EndpointDown
from appo_benchmarks.judge import Case, Verdict, case_key, judge_all, read_verdicts, read_word
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.chat_server import Reply, serving

QUICK = Patience(seconds=5, attempts=2, pause=0)
CASES = [Case("Who?", ("Ada", "A. L."), answer) for answer in ("Ada Lovelace", "Bob", "well")]


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("Verdict: correct", "correct"),
        ("They agree.\n**Verdict: Correct**", "correct"),
        ("verdict: incorrect.", "incorrect"),
        ("Incorrect", "incorrect"),
        (" correct. ", "correct"),
        ("The answer is correct", "neither"),
        ("Verdict: correct or Verdict: incorrect", "correct"),
        ("Verdict: correct\nVerdict: incorrect", "neither"),
        ("Verdict: not correct", "neither"),
        ("Verdict: correctly unsure", "neither"),
        ("", "neither"),
    ],
)
def test_a_verdict_is_read_from_its_own_line(reply: str, word: str) -> None:
    assert read_word(reply) == word


@given(st.text())
def test_any_reply_has_a_reading(reply: str) -> None:
    assert read_word(reply) in ("correct", "incorrect", "neither")


def script(body: dict[str, object]) -> str:
    prompt = str(body["messages"])
    return "Verdict: correct" if "Lovelace" in prompt else "hm" if "well" in prompt else "Verdict: incorrect"


def test_each_answer_is_judged_once_and_never_again(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    with serving(lambda body: script(dict(body))) as server:
        judge = Endpoint(server.url, patience=QUICK)
        found = judge_all([*CASES, *CASES], judge, path)
        assert [found[case_key("scripted", case)].word for case in CASES] == ["correct", "incorrect", "neither"]
        assert len(server.asked) == 3
        assert judge_all(CASES, judge, path) == found and len(server.asked) == 3
        judge_all(CASES, judge, path, rejudge=True)
        assert len(server.asked) == 6 and read_verdicts(path) == found
    prompt = str(server.asked[0]["messages"])
    assert "Who?" in prompt and "Ada" in prompt and "A. L." in prompt


@pytest.mark.parametrize("failure", [Reply(400, b"too long"), Reply(200, b"<html>bad gateway</html>")])
def test_a_request_that_failed_is_no_verdict_and_is_made_again(tmp_path: Path, failure: Reply) -> None:
    path = tmp_path / "v.jsonl"
    failures: list[RequestRefused] = []
    broken = True
    with serving(lambda body: failure if broken and "Bob" in str(body) else script(dict(body))) as server:
        judge = Endpoint(server.url, "m", patience=QUICK)
        assert len(judge_all(CASES, judge, path, show_failure=failures.append)) == 2 and len(failures) == 1
        assert len(read_verdicts(path)) == 2
        broken = False
        found, asked = judge_all(CASES, judge, path), len(server.asked)
        assert found[case_key("m", CASES[1])].word == "incorrect" and read_verdicts(path) == found
        broken = True
        assert judge_all(CASES[1:2], judge, path, rejudge=True) == found and len(server.asked) > asked


def test_a_judge_that_dies_leaves_what_it_said(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    replies: list[str | Reply] = ["Verdict: correct"]
    with serving(lambda body: replies.pop() if replies else Reply(503, b"gone")) as server:
        judge = Endpoint(server.url, "m", patience=QUICK)
        with pytest.raises(EndpointDown):
            judge_all(CASES, judge, path, concurrency=1)
        assert [verdict.word for verdict in read_verdicts(path).values()] == ["correct"]
    with serving(lambda body: "Verdict: incorrect") as server:
        judge_all(CASES, Endpoint(server.url, "m", patience=QUICK), path)
        assert len(server.asked) == 2


def test_a_verdict_that_was_cut_off_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    with serving(lambda body: "Verdict: correct") as server:
        judge = Endpoint(server.url, "m", patience=QUICK)
        judge_all(CASES, judge, path)
        path.write_bytes(path.read_bytes()[:-10])
        assert len(judge_all(CASES, judge, path)) == 3 and len(server.asked) == 4
    assert len(read_verdicts(path)) == 3


def test_another_judge_answer_or_gold_has_another_key() -> None:
    case = CASES[0]
    others = [case._replace(answer="x"), case._replace(golds=("x",)), case._replace(question="x")]
    assert len({case_key("m", one) for one in [case, *others]} | {case_key("n", case)}) == 5


@pytest.mark.parametrize(
    "line", ['{"key": "x"}', "7", "[" * 100_000, json.dumps(asdict(Verdict("k", "m", "neither", "")) | {"reply": 7})]
)
def test_a_damaged_verdict_is_said_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "v.jsonl").write_text(line + "\n")
    with pytest.raises(BenchmarkError, match=r"v.jsonl:1: this is no verdict"):
        read_verdicts(tmp_path / "v.jsonl")
