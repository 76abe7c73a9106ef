"""Native tool calls: an action is an assistant's message as chat APIs have it, written as JSON.

Owns the reading and writing of such messages. Results are messages with the role "tool" that name the call they answer,
so nothing in them needs to be made inert: JSON keeps them apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from appo_envs.dialects.base import ParsedTurn
from appo_envs.dialects.boxed import last_box, write_box
from appo_envs.dialects.json_arguments import read_arguments, write_arguments
from appo_envs.dialects.scan import begun_before, scan, tag_pattern
from appo_envs.messages import CallRequest, Message
from appo_envs.tools.base import ToolSchema
from appo_envs.tools.strict_json import strict_json

NOT_A_MESSAGE = "a turn is an assistant's message as a JSON object"
NOT_A_LIST = "tool_calls is a list"
NOT_A_CALL = "a tool call has a function with a name and arguments"

_ANSWERING = "Use the tools as often as you need. Give the final answer {how}in a message without a call."
_THINK = tag_pattern("think")
_ELEMENTS = frozenset(("think",))


@dataclass(frozen=True)
class NativeDialect:
    """Messages of the OpenAI chat API, several calls a message.

    Attributes:
        boxed: whether only the content of a box is an answer. Otherwise the content of a message without a box and
            without calls is an answer as a whole, without its thoughts.
    """

    boxed: bool = True

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """None: the API ends a turn."""
        return ()

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Empty: JSON has no white-space words."""
        return ()

    @property
    def inline_results(self) -> bool:
        """False: a result is a message of its own."""
        return False

    def system_prompt(self, tools: Sequence[ToolSchema]) -> str:
        """How to answer; the API is given the tools by itself (`ToolEnv.tool_schemas`)."""
        return _ANSWERING.format(how="inside \\boxed{}, " if self.boxed else "")

    def parse(self, text: str) -> ParsedTurn:
        """Read a message; see `Dialect.parse`.

        Thoughts are what `reasoning_content`, or `reasoning`, holds, what is between <think> tags, and what comes
        with calls or before the box.
        """
        if not text.strip():
            return ParsedTurn((), None)
        message = _message(text)
        if message is None:
            return ParsedTurn((CallRequest("message", ""),), None, (NOT_A_MESSAGE,))
        thoughts, spoken = _spoken(message)
        written = message.get("tool_calls")
        if written is not None and not isinstance(written, list):
            return ParsedTurn((CallRequest("message", ""),), None, (NOT_A_LIST,), _joined(*thoughts, spoken))
        if written:
            calls = [_call(call) for call in written]
            problems = (NOT_A_CALL,) if None in calls else ()
            requests = tuple([call or CallRequest("message", "") for call in calls])
            return ParsedTurn(requests, None, problems, _joined(*thoughts, spoken))
        box = last_box(spoken)
        if box is not None:
            return ParsedTurn((), box.content, (), _joined(*thoughts, spoken[: box.start]))
        answer = None if self.boxed else " ".join(spoken.split()) or None
        return ParsedTurn((), answer, (), _joined(*thoughts))

    def render(self, turn: ParsedTurn) -> str:
        """The turn as a message; see `Dialect.render`. Calls without an id get one."""
        answer = None if turn.answer is None else " ".join(turn.answer.split())
        if answer is None:
            message = Message("assistant", turn.thoughts, _with_ids(turn.calls)).as_dict()
            for call, written in zip(turn.calls, message.get("tool_calls", ()), strict=True):
                written["function"]["arguments"] = write_arguments(call)
        else:
            boxed = write_box(answer) if self.boxed else answer
            content = f"<think>\n{turn.thoughts}\n</think>\n{boxed}" if turn.thoughts else boxed
            message = Message("assistant", content).as_dict()
        text = json.dumps(message, ensure_ascii=False)
        said = self.parse(text)
        same = said[1:] == (answer, turn.problems, turn.thoughts) and len(said.calls) == len(turn.calls)
        if said.problems or not same or not (said.calls or said.answer is not None):
            raise ValueError(f"a native message cannot say {turn}; it would be read as {said}")
        return text

    def render_results(self, results: Sequence[str]) -> str:
        """One JSON message a line; `messages` has them with the ids of their calls, as an API takes them."""
        return "\n".join([json.dumps(Message("tool", text).as_dict(), ensure_ascii=False) for text in results])

    def messages(self, action: str, results: Sequence[str]) -> tuple[Message, ...]:
        """The assistant's message with its calls, and a message for each result.

        APIs want ids, all different; calls get new ones where the model was careless. What breaks the format stays
        text, and is answered as a user would. Thoughts that came as `reasoning_content` are not sent back.
        """
        turn = self.parse(action)
        if turn.problems:
            return (Message("assistant", action), *[Message("user", result) for result in results])
        message = _message(action) or {}
        calls = _with_ids(turn.calls)
        heard = [Message("tool", result, tool_call_id=call.id) for call, result in zip(calls, results, strict=False)]
        return (Message("assistant", _text(message.get("content")), calls), *heard)

    def read(self, message: Message) -> ParsedTurn:
        """The turn in an assistant's message; see `ReadableDialect.read`."""
        return self.parse(json.dumps(message.as_dict(), ensure_ascii=False))

    def read_results(self, message: Message) -> tuple[str, ...]:
        """The result in a tool's message; see `ReadableDialect.read_results`."""
        return (message.content,) if message.role == "tool" else ()


def _message(text: str) -> dict[str, Any] | None:
    try:
        message = strict_json(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) and message.get("role", "assistant") == "assistant" else None


def _text(content: object) -> str:
    # The API also takes a list of parts, each with a text of its own.
    if isinstance(content, list):
        content = "".join([_text(part.get("text")) for part in content if isinstance(part, dict)])
    return content if isinstance(content, str) else ""


def _spoken(message: dict[str, Any]) -> tuple[list[str], str]:
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    pieces = begun_before(scan(_text(message.get("content")), _THINK, _ELEMENTS), "think")
    thoughts = [piece.content for piece in pieces if piece.name == "think"]
    return [_text(reasoning), *thoughts], "".join([piece.content for piece in pieces if piece.kind == "text"])


def _joined(*thoughts: str) -> str:
    return "\n".join(filter(None, [text.strip() for text in thoughts]))


def _call(call: Any) -> CallRequest | None:
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        return None
    written, identifier = function.get("arguments"), call.get("id")
    identifier = identifier if isinstance(identifier, str) else ""
    try:
        return CallRequest(name, read_arguments(written), identifier)
    except ValueError:
        # The tool gets a string as it is, and says what is wrong with it.
        return CallRequest(name, written, identifier) if isinstance(written, str) else None


def _with_ids(calls: Sequence[CallRequest]) -> tuple[CallRequest, ...]:
    """The calls, with new ids for those that have none or that of another call."""
    given = {call.id for call in calls}
    fresh = (name for name in map("call_{}".format, count()) if name not in given)
    seen = {""}
    numbered: list[CallRequest] = []
    for call in calls:
        named = call._replace(id=next(fresh)) if call.id in seen else call
        seen.add(named.id)
        numbered.append(named)
    return tuple(numbered)
