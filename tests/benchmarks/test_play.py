"""An episode with each method, against a model that follows a script."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from appo_benchmarks.benchmark import Item
from appo_benchmarks.endpoint import Endpoint, Patience
from appo_benchmarks.errors import BenchmarkError, EndpointDown
from appo_benchmarks.methods import method_of
from appo_benchmarks.play import Player, PlaySettings, tasks_of
from appo_benchmarks.record import EpisodeRecord
from appo_benchmarks.registry import benchmark_of
from appo_benchmarks.tooling import gateway, page_source, search_backend, tool_makers

from appo_envs.tools.search import Bm25Search, SearchBackend, SearchHit
from appo_envs.tools.web.pages import PageSource
from tests.benchmarks.chat_server import Reply, Script, said, serving

ITEM = Item("hotpotqa/0", "Who lives in Dorum?", ("Ada",))
DOCUMENTS = [SearchHit("Dorum", "", "Ada lives in Dorum."), SearchHit("Elsewhere", "", "Nothing happens here.")]


def episode(
    script: Script,
    method: str,
    *,
    benchmark: str = "hotpotqa",
    search: SearchBackend | None = None,
    settings: PlaySettings | None = None,
    pages: PageSource | None = None,
) -> tuple[EpisodeRecord, list[Mapping[str, Any]]]:
    with serving(script) as server:
        endpoint = Endpoint(server.url, "m", patience=Patience(seconds=5, attempts=2, pause=0))
        player = Player(
            benchmark_of(benchmark),
            tasks_of([ITEM]),
            method_of(method),
            search,
            endpoint,
            settings or PlaySettings(),
            pages,
        )
        record = player.play(ITEM, 0)
        player.close()
        return record, server.asked


def turns_of(*texts: str) -> Script:
    left = list(texts)
    return lambda body: left.pop(0)


@pytest.mark.parametrize("method", ["direct", "cot"])
def test_without_tools_the_box_is_the_answer(method: str) -> None:
    record, asked = episode(turns_of("so \\boxed{Ada}"), method)
    assert record.answer == "Ada" and record.format_ok and not record.error
    assert [message["role"] for message in asked[0]["messages"]] == ["system", "user"]
    assert asked[0]["messages"][1]["content"] == ITEM.question


def test_tir_runs_python_and_goes_on_with_its_variables() -> None:
    script = turns_of("```python\na = 6\n```", "```python\nprint(a * 7)\n```", "\\boxed{42}")
    record, asked = episode(script, "tir", benchmark="gsm8k")
    assert record.answer == "42" and "42" in record.turns[1].observation
    assert [turn.tool_calls for turn in record.turns] == [1, 1, 0]
    assert asked[2]["messages"][-1]["content"].startswith("```output\n")


def test_react_searches() -> None:
    script = turns_of("Thought: who\nAction: search\nAction Input: Dorum", "Final Answer: Ada")
    record, _ = episode(script, "react", search=Bm25Search.of(DOCUMENTS))
    assert record.answer == "Ada" and "Ada lives in Dorum" in record.turns[0].observation


def test_a_trained_policy_speaks_in_tags_that_the_server_cuts_off() -> None:
    script = turns_of("<think> who </think> <search> Dorum ", "<answer> \\boxed{Ada} ")
    record, asked = episode(script, "trained", search=Bm25Search.of(DOCUMENTS))
    assert record.answer == "Ada" and record.format_ok
    assert asked[0]["stop"] == ["</search>", "</answer>"]
    assert asked[1]["messages"][2]["content"].endswith("<search> Dorum </search>")


def test_retrieval_puts_documents_before_the_question() -> None:
    record, asked = episode(turns_of("\\boxed{Ada}"), "rag", search=Bm25Search.of(DOCUMENTS))
    prompt = asked[0]["messages"][1]["content"]
    assert "Ada lives in Dorum" in prompt and prompt.endswith(f"Question: {ITEM.question}")
    assert record.documents in prompt and record.answer == "Ada"


def test_search_o1_reads_what_was_refined_from_the_documents() -> None:
    script = turns_of(
        "Who lives there? <|begin_search_query|> Dorum",
        "The first one says it.\n**Final Information:**\nAda does.",
        "So it is \\boxed{Ada}",
    )
    record, asked = episode(script, "search-o1", search=Bm25Search.of(DOCUMENTS))
    assert record.answer == "Ada" and record.format_ok and not record.error
    refining = asked[1]["messages"][0]["content"]
    assert "Ada lives in Dorum." in refining and "Query: Dorum" in refining and "Who lives there?" in refining
    assert asked[2]["messages"][-1]["content"] == "<|begin_search_result|> Ada does. <|end_search_result|>"
    assert asked[2]["messages"][-2]["content"].endswith("<|end_search_query|>")
    assert "Ada lives in Dorum." in record.turns[0].documents and record.turns[1].documents == ""
    assert [turn.prompt_tokens for turn in record.turns] == [20, 10]


def test_a_refused_refining_fails_the_episode() -> None:
    replies: list[str | Reply] = ["<|begin_search_query|> Dorum", Reply(400, b"too long")]
    record, _ = episode(lambda body: replies.pop(0), "search-o1", search=Bm25Search.of(DOCUMENTS))
    assert "the documents were not refined" in record.error and record.answer is None


def test_an_endpoint_that_dies_while_refining_ends_the_run() -> None:
    replies: list[str | Reply] = ["<|begin_search_query|> Dorum"]
    with pytest.raises(EndpointDown):
        episode(
            lambda body: replies.pop(0) if replies else Reply(503, b"gone"),
            "search-o1",
            search=Bm25Search.of(DOCUMENTS),
        )


def test_a_blank_query_is_told_and_refines_nothing() -> None:
    record, asked = episode(
        turns_of("<|begin_search_query|> ", "\\boxed{Ada}"), "search-o1", search=Bm25Search.of(DOCUMENTS)
    )
    assert "the query is empty" in record.turns[0].observation and len(asked) == 2


def test_a_text_that_the_token_limit_cut_is_not_made_whole() -> None:
    record, _ = episode(lambda body: said("<search> Dor", "length"), "trained", search=Bm25Search.of(DOCUMENTS))
    assert not record.format_ok and record.turns[0].action == "<search> Dor"


def test_neither_a_call_nor_an_answer_is_a_format_error() -> None:
    record, _ = episode(turns_of("dunno"), "cot")
    assert record.answer is None and not record.format_ok and not record.truncated


def test_too_many_turns_cut_an_episode() -> None:
    record, _ = episode(lambda body: "```python\n1\n```", "tir", benchmark="gsm8k", settings=PlaySettings(max_turns=3))
    assert record.truncated and record.answer is None and len(record.turns) == 3


def test_a_failing_tool_is_counted_and_told() -> None:
    record, _ = episode(turns_of("```python\n1/0\n```", "\\boxed{1}"), "tir", benchmark="gsm8k")
    assert "ZeroDivisionError" in record.turns[0].observation and record.turns[0].tool_calls == 1


def test_a_refused_request_fails_the_episode_and_keeps_its_turns() -> None:
    replies: list[str | Reply] = ["```python\nprint(1)\n```", Reply(400, b"too long")]
    record, _ = episode(lambda body: replies.pop(0), "tir", benchmark="gsm8k")
    assert "400: too long" in record.error and len(record.turns) == 1 and record.answer is None


def test_seeds_differ_between_samples_and_turns_and_come_again() -> None:
    script = turns_of("```python\n1\n```", "\\boxed{1}", "```python\n1\n```", "\\boxed{1}")
    _, first = episode(script, "tir", benchmark="gsm8k")
    _, again = episode(turns_of("```python\n1\n```", "\\boxed{1}"), "tir", benchmark="gsm8k")
    assert [body["seed"] for body in first] == [body["seed"] for body in again]
    assert first[0]["seed"] != first[1]["seed"]


def test_search_must_be_named_where_it_is_needed(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="these questions need search: give --search"):
        tool_makers(("search",), None)
    with pytest.raises(BenchmarkError, match="--search: expected duckduckgo"):
        search_backend(str(tmp_path / "nowhere"), gateway(None))


@pytest.fixture
def pages_file(tmp_path: Path) -> Path:
    path = tmp_path / "pages.jsonl"
    path.write_text('{"url": "https://dorum.example/who", "title": "Who", "text": "Ada lives here."}\n')
    return path


def test_deep_search_benchmarks_visit_pages_and_others_do_not(pages_file: Path) -> None:
    pages = page_source(str(pages_file), gateway(None))
    script = turns_of("<visit> https://dorum.example/who </visit>", "<answer> \\boxed{Ada} </answer>")
    record, asked = episode(script, "trained", benchmark="webwalkerqa", search=Bm25Search.of(DOCUMENTS), pages=pages)
    assert "Ada lives here." in record.turns[0].observation and record.answer == "Ada" and record.format_ok
    assert "<visit>" in asked[0]["messages"][0]["content"] and "</visit>" in asked[0]["stop"]
    _, asked = episode(
        turns_of("<answer> \\boxed{Ada} </answer>"), "trained", search=Bm25Search.of(DOCUMENTS), pages=pages
    )
    assert "<visit>" not in asked[0]["messages"][0]["content"]


def test_pages_must_be_named_and_readable(pages_file: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="visits need pages: give --visit"):
        tool_makers(("visit",), None)
    with pytest.raises(BenchmarkError, match="--visit: expected 'web' or a JSONL file of pages"):
        page_source(str(tmp_path / "nowhere"), gateway(None))
    pages_file.write_text(pages_file.read_text() + '{"url": "https://dorum.example/"}\n')
    with pytest.raises(BenchmarkError, match=r'pages.jsonl:2: expected a page with "url" and "text"'):
        page_source(str(pages_file), gateway(None))
