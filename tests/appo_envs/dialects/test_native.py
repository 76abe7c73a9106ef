"""Native messages."""

import json
from typing import Any

import pytest

from appo_envs.dialects import native
from appo_envs.dialects.base import ParsedTurn
from appo_envs.dialects.native import NativeDialect
from appo_envs.messages import CallRequest, Message

DIALECT = NativeDialect()


def _said(*calls: Any, content: Any = None, **more: Any) -> str:
    return json.dumps({"role": "assistant", "content": content, "tool_calls": list(calls), **more})


def _call(name: Any, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_calls_are_read_with_their_ids() -> None:
    turn = DIALECT.parse(
        _said(_call("search", '{"query": "Lo"}', id="a"), _call("search", {"query": "Mi"}), content="hm")
    )
    calls = (CallRequest("search", {"query": "Lo"}, "a"), CallRequest("search", {"query": "Mi"}))
    assert turn == (calls, None, (), "hm")


def test_a_message_is_written_as_the_api_has_it() -> None:
    calls = (CallRequest("search", {"query": "Lö"}, "a"), CallRequest("now", {}))
    assert json.loads(DIALECT.render(ParsedTurn(calls, None, (), "hm"))) == {
        "role": "assistant",
        "content": "hm",
        "tool_calls": [_call("search", '{"query": "Lö"}', id="a"), _call("now", "{}", id="call_0")],
    }
    answer = json.loads(DIALECT.render(ParsedTurn((), "42", (), "hm")))
    assert answer == {"role": "assistant", "content": "<think>\nhm\n</think>\n\\boxed{42}"}


def test_an_answer_is_in_a_box_outside_of_thoughts() -> None:
    assert DIALECT.parse('{"content": "so \\\\boxed{42}", "refusal": null}') == ((), "42", (), "so")
    assert DIALECT.parse('{"role": "assistant", "content": null}')[:3] == ((), None, ())
    assert DIALECT.parse('{"content": "<think> \\\\boxed{1} </think> no idea"}').answer is None
    assert DIALECT.parse('{"content": " \\\\boxed{1} </think> no idea"}').answer is None


def test_without_boxes_the_whole_content_is_the_answer() -> None:
    plain = NativeDialect(boxed=False)
    assert plain.parse('{"content": "<think> a </think> Lo  Mir"}') == ((), "Lo Mir", (), "a")
    assert plain.parse('{"content": "It is \\\\boxed{5}."}').answer == "5"
    assert plain.parse('{"content": " "}').answer is None
    assert "boxed" not in plain.system_prompt([]) + plain.render(ParsedTurn((), "5"))


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_of_its_own_comes_before_other_thoughts(key: str) -> None:
    text = _said(_call("now", ""), content="hm", **{key: "first"})
    assert DIALECT.parse(text).thoughts == "first\nhm"
    assert DIALECT.messages(text, ())[0].content == "hm"


def test_content_may_come_in_parts() -> None:
    parts = [{"type": "text", "text": "it is "}, {"type": "text", "text": "\\boxed{42}"}, {"type": "refusal"}, None]
    assert DIALECT.parse(_said(content=parts)) == ((), "42", (), "it is")


@pytest.mark.parametrize("text", ["42", "[]", "{", '{"role": "user", "content": "x"}', "\\boxed{42}"])
def test_what_is_no_message_is_a_problem(text: str) -> None:
    assert DIALECT.parse(text) == ((CallRequest("message", ""),), None, (native.NOT_A_MESSAGE,), "")


@pytest.mark.parametrize(
    "calls", [[{}], [None], ["search"], [_call("x", 3)], [_call("x", [])], [_call(3, "{}")], [_call("", "{}")]]
)
def test_a_malformed_call_is_a_problem(calls: list[Any]) -> None:
    turn = DIALECT.parse(_said(*calls, _call("now", "{}")))
    assert turn.problems == (native.NOT_A_CALL,) and turn.answer is None and len(turn.calls) == 2


def test_calls_that_are_no_list_are_a_problem() -> None:
    assert DIALECT.parse('{"content": "\\\\boxed{1}", "tool_calls": {}}')[1:3] == (None, (native.NOT_A_LIST,))


def test_arguments_that_are_no_object_reach_the_tool_as_text() -> None:
    assert DIALECT.parse(_said(_call("search", "[1]", id="a"))).calls == (CallRequest("search", "[1]", "a"),)


@pytest.mark.parametrize("arguments", [None, "", "{}", {}])
def test_no_arguments_are_none(arguments: Any) -> None:
    assert DIALECT.parse(_said(_call("now", arguments))).calls == (CallRequest("now", {}),)


def test_results_answer_their_calls() -> None:
    action = _said(_call("search", "{}", id="a"), _call("search", "{}", id="b"))
    said, first, second = DIALECT.messages(action, ["x", "</result>"])
    assert [call.id for call in said.tool_calls] == ["a", "b"]
    assert first == Message("tool", "x", tool_call_id="a") and second == Message("tool", "</result>", tool_call_id="b")
    assert said.as_dict()["tool_calls"][0]["function"] == {"name": "search", "arguments": "{}"}


def test_every_call_of_a_conversation_has_an_id_of_its_own() -> None:
    ids = ["a", "a", None, "call_0", "", 3]
    said, *heard = DIALECT.messages(_said(*[_call("now", "{}", id=identifier) for identifier in ids]), ["x"] * 6)
    assert [call.id for call in said.tool_calls] == ["a", "call_1", "call_2", "call_0", "call_3", "call_4"]
    assert [message.tool_call_id for message in heard] == [call.id for call in said.tool_calls]


def test_results_are_a_message_a_line() -> None:
    text = DIALECT.render_results(["a\n{", "é"])
    assert text == '{"role": "tool", "content": "a\\n{"}\n{"role": "tool", "content": "é"}'


def test_a_problem_is_told_as_a_user_would() -> None:
    said, heard = DIALECT.messages("nonsense", ["error : what ?"])
    assert (said.role, said.content, heard.role, heard.content) == ("assistant", "nonsense", "user", "error : what ?")
