"""`appo bench` from the command line, against a scripted model: run, report, judge, verify, compare."""

import json
import random
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from appo_agent.commands.main import EXIT_ERROR, main
from tests.benchmarks.chat_server import Reply, Served, serving

NUMBER = re.compile(r"question (\d+)")


def right_below(limit: int) -> Callable[[Mapping[str, Any]], str]:
    """A model that knows the answers to the questions below a number."""

    def script(body: Mapping[str, Any]) -> str:
        found = NUMBER.search(body["messages"][-1]["content"])
        assert found is not None
        number = int(found.group(1))
        return f"\\boxed{{{number if number < limit else 'unknown'}}}"

    return script


def verdict(body: Mapping[str, Any]) -> str:
    return "Verdict: incorrect" if "unknown" in body["messages"][0]["content"] else "Verdict: correct"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = {
        "gsm8k": [{"question": f"question {n}", "answer": f"#### {n}"} for n in range(10)],
        "hotpotqa": [{"question": f"question {n}", "answer": [f"{n}"]} for n in range(6)],
        "gaia": [
            {"task_id": f"t{n}", "Question": f"question {n}", "answer": f"{n}", "Level": n % 2 + 1} for n in range(4)
        ],
    }
    for name, listed in rows.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        text = "".join(json.dumps(row) + "\n" for row in listed)
        (tmp_path / "data" / name / "test.jsonl").write_text(text)
    return tmp_path / "data"


def bench(server: Served, data: Path, out: Path, *flags: str, names: str = "gsm8k,hotpotqa,gaia") -> int:
    words = ["bench", "run", server.url, names, "--method", "cot", "--data-dir", str(data), "--out", str(out), *flags]
    return main(words)


def report_of(out: Path) -> dict[str, Any]:
    report = json.loads((out / "report.json").read_text())
    return {figures["benchmark"]: figures for figures in report["figures"]} | {"report": report}


def test_a_run_is_reported_judged_and_verified(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    with serving(right_below(3)) as server:
        assert bench(server, data, out) == 0
        assert set(server.keys) == {"Bearer very-secret"} and len(server.asked) == 20
    assert "very-secret" not in "".join(path.read_text() for path in out.rglob("*") if path.is_file())
    report = report_of(out)
    assert report["gsm8k"]["headline"] == 0.3 and report["hotpotqa"]["headline"] == 0.5
    assert report["gaia"]["metric"] == "grader, not judged" and report["gaia"]["headline"] == 0.75
    assert [(g["name"], g["value"]) for g in map(as_group, report["gaia"]["groups"])] == [("1", 1.0), ("2", 0.5)]
    with serving(verdict) as judge:
        assert main(["bench", "report", str(out), "--judge", judge.url]) == 0
        assert main(["bench", "report", str(out), "--judge", judge.url]) == 0
        assert len(judge.asked) == 4
    judged = report_of(out)["gaia"]
    assert judged["metric"] == "judge (strict)" and judged["headline"] == 0.75 and judged["judge"]["agreement"] == 1.0
    markdown = (out / "report.md").read_text()
    assert "| GSM8K | accuracy | 30.0% | 10.8% to 60.3% |" in markdown and "Judge whether an answer" in markdown
    assert "93.2" in markdown and "other items than those of the public APPO evaluation files" in markdown
    page = (out / "report.html").read_text()
    assert all(
        word in page for word in ("<svg", "93.2%", "Judge whether", "temperature", "outputs sha256", "math-verify")
    )
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace(server.url, "")
    assert main(["bench", "verify", str(out)]) == 0
    assert "every number follows" in capsys.readouterr().out


def as_group(group: list[Any]) -> dict[str, Any]:
    return dict(zip(("kind", "name", "items", "value"), group, strict=True))


def test_verify_finds_what_was_edited(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with serving(right_below(3)) as server:
        bench(server, data, out, names="gsm8k")
    outputs, report = out / "gsm8k" / "outputs.jsonl", out / "report.json"
    kept = outputs.read_text(), report.read_text()
    outputs.write_text(kept[0].replace('"answer":"unknown"', '"answer":"9"', 1))
    assert main(["bench", "verify", str(out)]) == 1
    said = capsys.readouterr().out
    assert "its text says 'unknown'" in said and "outputs_sha256" in said
    outputs.write_text(kept[0])
    report.write_text(kept[1].replace('"headline": 0.3', '"headline": 0.31'))
    assert main(["bench", "verify", str(out)]) == 1
    assert "figures[0].headline: the report says 0.31, the outputs say 0.3" in capsys.readouterr().out


def test_an_endpoint_that_dies_is_gone_on_with_later(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers, out = 0, tmp_path / "out"

    def dies(body: Mapping[str, Any]) -> Reply | str:
        nonlocal answers
        answers += 1
        return right_below(3)(body) if answers <= 4 else Reply(403, b"out of credit")

    with serving(dies) as server:
        assert bench(server, data, out, "--concurrency", "1", names="gsm8k") == EXIT_ERROR
        assert "answers 403: out of credit" in capsys.readouterr().err
        assert main(["bench", "report", str(out)]) == 0
        unfinished = report_of(out)["gsm8k"]
        assert ["missing", 6] in unfinished["outcomes"] and unfinished["headline"] == 0.3
        assert "Unfinished: 6 episodes were not played yet" in (out / "report.md").read_text()
        answers = -1000
        assert bench(server, data, out, names="gsm8k") == 0
    assert ["missing", 0] in report_of(out)["gsm8k"]["outcomes"]
    assert len((out / "gsm8k" / "outputs.jsonl").read_text().splitlines()) == 10


def test_failed_episodes_count_as_wrong_unless_they_are_dropped(data: Path, tmp_path: Path) -> None:
    def refuses_two(body: Mapping[str, Any]) -> Reply | str:
        said = body["messages"][-1]["content"]
        return Reply(400, b"too long") if said in ("question 8", "question 9") else right_below(4)(body)

    out = tmp_path / "out"
    with serving(refuses_two) as server:
        bench(server, data, out, names="gsm8k")
    figures = report_of(out)["gsm8k"]
    assert figures["headline"] == 0.4 and ["failed", 2] in figures["outcomes"] and figures["left_out"] == 0
    assert [failure.split(":")[0] for failure in figures["failures"]] == ["gsm8k/8#0", "gsm8k/9#0"]
    main(["bench", "report", str(out), "--drop-failed"])
    figures = report_of(out)["gsm8k"]
    assert figures["headline"] == 0.5 and figures["left_out"] == 2 and len(figures["failures"]) == 2


def test_samples_are_counted_with_their_items(data: Path, tmp_path: Path) -> None:
    asked: dict[str, int] = {}

    def right_once(body: Mapping[str, Any]) -> str:
        said = body["messages"][-1]["content"]
        asked[said] = asked.get(said, 0) + 1
        return right_below(10 if asked[said] == 1 else 0)(body)

    out = tmp_path / "out"
    with serving(right_once) as server:
        bench(server, data, out, "--samples", "4", "--concurrency", "1", names="gsm8k")
    figures = report_of(out)["gsm8k"]
    assert figures["headline"] == 0.25 and figures["majority"] == 0.0
    assert figures["pass_at"] == [[1, 0.25, 10], [2, 0.5, 10], [3, 0.75, 10], [4, 1.0, 10]]


def test_the_order_of_outputs_changes_nothing(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(right_below(5)) as server:
        bench(server, data, out, "--samples", "2")
    before = (out / "report.json").read_text()
    for outputs in out.glob("*/outputs.jsonl"):
        lines = outputs.read_text().splitlines(keepends=True)
        random.Random(1).shuffle(lines)
        outputs.write_text("".join(lines))
    main(["bench", "report", str(out)])
    assert (out / "report.json").read_text() == before


def test_two_runs_are_compared_item_by_item(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, limit in (("a", 2), ("b", 9)):
        with serving(right_below(limit)) as server:
            bench(server, data, tmp_path / name)
    capsys.readouterr()
    assert main(["bench", "compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    lines = {line.split("|")[1].strip(): line for line in capsys.readouterr().out.splitlines()[2:]}
    # 7 items change, all one way: 2 / 2^7 = 0.0156; times 3 benchmarks.
    assert "| 20.0% | 90.0% | +70.0% |" in lines["gsm8k"]
    assert "| 0.0156 | 0.0469 | 0 / 7 (0.0156) |" in lines["gsm8k"]
    assert set(lines) == {"gsm8k", "hotpotqa", "gaia"}


def test_a_comparison_tells_how_many_episodes_failed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(body: Mapping[str, Any]) -> Reply | str:
        said = right_below(9)(body)
        return Reply(400, b"no") if "question 3" in body["messages"][-1]["content"] else said

    for name, script in (("a", right_below(9)), ("b", refuses)):
        with serving(script) as server:
            bench(server, data, tmp_path / name, names="gsm8k")
    capsys.readouterr()
    assert main(["bench", "compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out.rstrip().endswith("| 1 / 0 (1) | 0 / 1 |")


def test_runs_on_other_items_are_not_compared(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, flags in (("a", ()), ("b", ("--limit", "5"))):
        with serving(right_below(2)) as server:
            bench(server, data, tmp_path / name, *flags, names="gsm8k")
    assert main(["bench", "compare", str(tmp_path / "a"), str(tmp_path / "b")]) == EXIT_ERROR
    assert "were asked different items" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--samples", "2"), "holds a run with another samples: 1, asked for 2"),
        (("--method", "direct"), "another method: 'cot', asked for 'direct'"),
        (("--limit", "3"), "another limit: 0, asked for 3"),
        (("--seed", "3"), "another play"),
    ],
)
def test_a_folder_holds_one_run(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], words: str
) -> None:
    with serving(right_below(3)) as server:
        bench(server, data, tmp_path / "out", names="gsm8k")
        assert bench(server, data, tmp_path / "out", *flags, names="gsm8k") == EXIT_ERROR
    assert words in capsys.readouterr().err


def test_every_version_that_took_part_is_in_the_report(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(right_below(3)) as server:
        bench(server, data, out, names="gsm8k")
        path = out / "run.json"
        before = path.read_text()
        path.write_text(re.sub('"numpy [^"]*"', '"numpy 0.1"', before))
        bench(server, data, out, names="gsm8k")
        assert "- numpy: 0.1\n" in (out / "report.md").read_text()
        assert f"- numpy: {version('numpy')}\n" in (out / "report.md").read_text()
        after = path.read_text()
        bench(server, data, out, names="gsm8k")
        assert path.read_text() == after


def test_results_of_another_version_are_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with serving(right_below(3)) as server:
        bench(server, data, out, names="gsm8k")
    (out / "run.json").write_text((out / "run.json").read_text().replace('"format": 1', '"format": 99'))
    assert main(["bench", "report", str(out)]) == EXIT_ERROR
    assert "has format 99, this version reads 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "http://127.0.0.1:9/v1", "gsm8"], "no benchmark 'gsm8'; did you mean 'gsm8k'"),
        (["run", "http://127.0.0.1:9/v1", "gsm8k,gsm8k"], "expected different benchmarks"),
        (["run", "http://127.0.0.1:9/v1", "gsm8k", "--samples", "0"], "must be at least 1"),
        (["run", "http://127.0.0.1:9/v1", "gsm8k", "--temperature", "-1"], "temperature and max_tool_calls"),
        (["run", "http://127.0.0.1:9/v1", "gsm8k", "--temperature", "nan"], "must be at least 0 and finite"),
        (["run", "http://127.0.0.1:9/v1", "gsm8k", "--temperature", "inf"], "must be at least 0 and finite"),
        (["run", "some/model", "gsm8k", "--temperature", "0"], "--temperature must be above 0"),
        (["run", "http://127.0.0.1:9/v1", "musique"], "there is no"),
        (["run", "http://127.0.0.1:9/v1", "gsm8k", "--method", "coat"], "no method 'coat'; did you mean 'cot'"),
    ],
)
def test_a_wrong_word_is_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    flags = ["--data-dir", str(data), "--out", str(tmp_path / "out")]
    assert main(["bench", *words, *flags]) == EXIT_ERROR
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_everything_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "list"]) == 0
    listed = capsys.readouterr().out
    assert "gaia-benchmark/GAIA (none stated; gated)" in listed and "react" in listed


def test_what_a_judge_is_worth_is_said_in_figures_that_were_planted(data: Path, tmp_path: Path) -> None:
    """Right below 3 of 4: this judge errs on item 0, says neither word on 1, agrees on 2 and errs on 3."""
    words = {0: "Verdict: incorrect", 1: "hard to say", 2: "Verdict: correct", 3: "Verdict: correct"}
    out = tmp_path / "out"

    def planted(body: Mapping[str, Any]) -> str:
        found = NUMBER.search(body["messages"][0]["content"])
        assert found is not None
        return words[int(found.group(1))]

    with serving(right_below(3)) as server:
        bench(server, data, out, names="gaia")
    outputs = (out / "gaia" / "outputs.jsonl").read_bytes()
    with serving(planted) as judge:
        main(["bench", "report", str(out), "--judge", judge.url])
        figures = report_of(out)["gaia"]["judge"]
        assert (figures["strict"], figures["lenient"], figures["neither"]) == (0.5, 1.0, 1)
        assert figures["agreement"] == pytest.approx(1 / 3)
        assert figures["disagreements"] == ["gaia/t0#0", "gaia/t3#0"]
        words.update({0: "Verdict: correct", 1: "Verdict: correct", 3: "Verdict: incorrect"})
        main(["bench", "report", str(out), "--judge", judge.url])
        assert report_of(out)["gaia"]["judge"] == figures and len(judge.asked) == 4
        main(["bench", "report", str(out), "--judge", judge.url, "--rejudge"])
        again = report_of(out)["gaia"]["judge"]
    # The model's server is gone: the new verdicts needed no new answers.
    assert (again["strict"], again["agreement"], again["disagreements"]) == (0.75, 1.0, [])
    assert (out / "gaia" / "outputs.jsonl").read_bytes() == outputs and len(judge.asked) == 8


def test_the_order_of_items_in_the_file_changes_no_figure(data: Path, tmp_path: Path) -> None:
    path = data / "gaia" / "test.jsonl"
    figures = []
    for name in ("as it is", "reversed"):
        with serving(right_below(3)) as server:
            bench(server, data, tmp_path / name, "--concurrency", "1", names="gaia")
        found = report_of(tmp_path / name)
        figures.append({key: value for key, value in found["gaia"].items() if key != "costs"})
        figures[-1]["outputs"] = found["report"]["outputs_sha256"]
        path.write_text("".join(f"{line}\n" for line in reversed(path.read_text().splitlines())))
    assert figures[0] == figures[1]


def test_empty_answers_are_no_answers_and_are_not_judged(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(lambda body: "") as server:
        bench(server, data, out, names="gaia")
    with serving(verdict) as judge:
        main(["bench", "report", str(out), "--judge", judge.url])
        assert judge.asked == []
    figures = report_of(out)["gaia"]
    assert ["no answer", 4] in figures["outcomes"] and figures["headline"] == 0.0


def test_tools_are_part_of_what_a_run_was_asked_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    def run(tools: str) -> int:
        with serving(lambda body: "Final Answer: 3") as server:
            # The last --method counts.
            return bench(server, data, out, "--method", "react", "--tools", tools, "--model-name", "m", names="gsm8k")

    assert run("python") == 0
    assert json.loads((out / "run.json").read_text())["tools"] == ["python"]
    assert main(["bench", "verify", str(out)]) == 0
    assert bench(Served("http://127.0.0.1:9/v1", [], []), data, out, "--tools", "none", names="gsm8k") == EXIT_ERROR
    assert "there is no tool 'none'" in capsys.readouterr().err


def test_failed_episodes_are_played_again_when_that_is_asked_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, out = True, tmp_path / "out"

    def script(body: Mapping[str, Any]) -> Reply | str:
        refused = broken and "question 3" in body["messages"][-1]["content"]
        return Reply(400, b"out of memory") if refused else right_below(10)(body)

    with serving(script) as server:
        assert bench(server, data, out, names="gsm8k") == 0
        assert report_of(out)["gsm8k"]["headline"] == 0.9
        broken = False
        assert bench(server, data, out, "--retry-failed", "--prices", "1,2", names="gsm8k") == 0
    assert report_of(out)["gsm8k"]["headline"] == 1.0 and len(server.asked) == 11
    assert report_of(out)["report"]["prices"] == {"prompt": 1.0, "completion": 2.0}
    assert main(["bench", "verify", str(out)]) == 0
    with pytest.raises(SystemExit):
        main(["bench", "report", str(out), "--prices", "cheap"])
    assert "expected two numbers, as in 0.15,0.60, got 'cheap'" in capsys.readouterr().err


def test_a_replay_without_its_file_is_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(right_below(3)) as server:
        assert bench(server, data, tmp_path / "out", "--replay", names="gsm8k") == EXIT_ERROR
    assert "--replay needs --search-cache" in capsys.readouterr().err and not server.asked


def test_a_missing_search_is_said_before_the_model_is_asked_for(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = Served("http://127.0.0.1:9/v1", [], [])
    assert bench(nobody, data, tmp_path / "out", "--method", "rag", names="hotpotqa") == EXIT_ERROR
    assert "these questions need search: give --search" in capsys.readouterr().err
