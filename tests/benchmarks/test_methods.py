"""Each way of asking reads what models write, and says what it can."""

import pytest
from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.methods import METHODS, method_of
from appo_benchmarks.methods.boxed_answer import CHAIN_OF_THOUGHT, BoxedAnswer
from appo_benchmarks.methods.method import made_whole
from appo_benchmarks.methods.react import React
from appo_benchmarks.methods.search_o1 import NO_BOX, UNCLOSED, SearchO1
from appo_benchmarks.methods.tool_integrated import ToolIntegrated
from hypothesis import given
from hypothesis import strategies as st

from appo_envs.dialects.base import ParsedTurn
from appo_envs.messages import CallRequest
from appo_envs.tools.function import tool

TAGS = ("</search>", "</answer>", "<|end_search_query|>")


@tool
def weather(city: str, day: str) -> str:
    """The weather of a day."""
    return f"{city} {day}"


def test_a_box_is_the_answer_and_its_absence_a_problem() -> None:
    dialect = BoxedAnswer(CHAIN_OF_THOUGHT)
    assert dialect.parse("1, no: \\boxed{2}, so \\boxed{\\frac{1}{3}}") == ParsedTurn((), "\\frac{1}{3}")
    assert dialect.parse("it is 3").answer is None and dialect.parse("it is 3").problems
    assert dialect.parse("\\boxed{}").answer is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("so\n```python\nprint(1)\n```", "print(1)"),
        ("```python\na = 1\n```\nand\n```python\nb = 2\n", "b = 2"),
        ("\\boxed{1}?\n```python\nprint(2)\n```", "print(2)"),
        ("```python\nprint('\\\\boxed{1}')\n```", "print('\\\\boxed{1}')"),
    ],
)
def test_the_last_block_of_python_is_the_call(text: str, code: str) -> None:
    assert ToolIntegrated().parse(text) == ParsedTurn((CallRequest("python", code),), None)


def test_a_box_after_the_last_block_is_the_answer() -> None:
    assert ToolIntegrated().parse("```python\nprint(2)\n```\nThus \\boxed{2}").answer == "2"


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        (
            "Thought: hm\nAction: search\nAction Input: who is it",
            ParsedTurn((CallRequest("search", "who is it"),), None),
        ),
        (
            "Action: python\nAction Input: a = 1\nprint(a)",
            ParsedTurn((CallRequest("python", "a = 1\nprint(a)"),), None),
        ),
        ("Thought: ok\nFinal Answer: the  moon", ParsedTurn((), "the moon")),
        ("Final Answer: \\boxed{7}", ParsedTurn((), "7")),
        (
            "Action: search\nAction Input: x\nObservation: made up\nFinal Answer: y",
            ParsedTurn((CallRequest("search", "x"),), None),
        ),
    ],
)
def test_react_reads_actions_and_answers(text: str, turn: ParsedTurn) -> None:
    assert React().parse(text) == turn


@pytest.mark.parametrize("text", ["", "hello", "Action: search", "Final Answer:", "Observation: x\nFinal Answer: y"])
def test_react_calls_anything_else_a_broken_format(text: str) -> None:
    turn = React().parse(text)
    assert turn.problems and turn.answer is None and not turn.calls


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("hm <|begin_search_query|> who <|end_search_query|>", ParsedTurn((CallRequest("search", "who"),), None)),
        (
            "<|begin_search_query|> a <|end_search_query|> made up \\boxed{1}",
            ParsedTurn((CallRequest("search", "a"),), None),
        ),
        ("so \\boxed{1} <|begin_search_query|> a <|end_search_query|>", ParsedTurn((), "1")),
        ("<|begin_search_query|> a", ParsedTurn((), None, (UNCLOSED,))),
        ("it is 3", ParsedTurn((), None, (NO_BOX,))),
    ],
)
def test_search_o1_reads_the_first_query_or_the_answer_before_it(text: str, turn: ParsedTurn) -> None:
    assert SearchO1().parse(text) == turn


@given(st.text(max_size=200))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    for dialect in (BoxedAnswer(CHAIN_OF_THOUGHT), ToolIntegrated(), React(), SearchO1()):
        turn = dialect.parse(text)
        assert turn.problems or turn.calls or turn.answer


@given(st.sampled_from(["boxed", "tir", "react", "search-o1"]), st.text(max_size=30), st.booleans())
def test_what_is_said_is_read_again(name: str, text: str, call: bool) -> None:
    dialects = {"boxed": BoxedAnswer(CHAIN_OF_THOUGHT), "tir": ToolIntegrated(), "react": React()}
    dialect = {**dialects, "search-o1": SearchO1()}[name]
    turn = (
        ParsedTurn((CallRequest("search" if name == "search-o1" else "python", text),), None)
        if call
        else ParsedTurn((), text)
    )
    try:
        said = dialect.render(turn)
    except ValueError:
        return
    assert dialect.parse(said) == turn


def test_plain_answers_can_be_said_in_every_dialect() -> None:
    for dialect in (BoxedAnswer(CHAIN_OF_THOUGHT), ToolIntegrated(), React(), SearchO1()):
        assert dialect.parse(dialect.render(ParsedTurn((), "42"))).answer == "42"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("<think> a </think> <search> b", "<think> a </think> <search> b</search>"),
        ("<search> b </search>", "<search> b </search>"),
        ("<search> b </search> <answer> c", "<search> b </search> <answer> c</answer>"),
        ("no tags", "no tags"),
        ("<|begin_search_query|> b", "<|begin_search_query|> b<|end_search_query|>"),
        ("<|begin_search_query|> b <|end_search_query|> c", "<|begin_search_query|> b <|end_search_query|> c"),
    ],
)
def test_a_closing_tag_that_the_server_cut_off_comes_back(text: str, whole: str) -> None:
    assert made_whole(text, TAGS) == whole


def test_each_method_makes_a_dialect_for_its_tools() -> None:
    for method in METHODS.values():
        tools = method.tools(("search", "python"))
        assert method.dialect(tools).messages("a", ("r",))[0].content == "a"


def test_an_unknown_method_is_told_its_neighbour() -> None:
    with pytest.raises(BenchmarkError, match="no method 'reakt'; did you mean 'react'"):
        method_of("reakt")


def test_a_trained_policy_writes_several_arguments_as_json() -> None:
    schema = weather().schema
    turn = ParsedTurn((CallRequest("weather", {"city": "Dorum", "day": "today"}),), None)
    assert '{"city": "Dorum", "day": "today"}' in method_of("trained").dialect([schema]).render(turn)
