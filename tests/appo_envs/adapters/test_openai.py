"""Episodes through a chat API: a scripted client, every kind of turn."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from appo_envs.adapters.openai import play
from appo_envs.dialects.registry import dialect_names
from appo_envs.env import ToolEnv
from appo_envs.grading import f1
from tests.appo_envs.toy import SOURCE, CountTool, toy_env


class Client:
    """Answers with what a list says, and remembers what it was asked."""

    def __init__(self, turns: list[Any]) -> None:
        self.turns, self.asked = turns, list[dict[str, Any]]()
        self.chat = SimpleNamespace(completions=self)

    def create(self, **settings: Any) -> Any:
        self.asked.append(json.loads(json.dumps(settings)))
        turn = self.turns[len(self.asked) - 1]
        calls = [
            SimpleNamespace(id=f"c{place}", function=SimpleNamespace(name=name, arguments=arguments))
            for place, (name, arguments) in enumerate(turn if isinstance(turn, list) else [])
        ]
        message = SimpleNamespace(content=None if calls else turn, tool_calls=calls or None)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=SimpleNamespace(total_tokens=10))


def test_calls_become_steps_and_results_go_back() -> None:
    client = Client([[("count", '{"number": "2"}')], [("count", '{"number": "3"}')], "It is \\boxed{answer 3}."])
    played = play(client, "m", toy_env(), task="t/3", temperature=0.5)
    assert played.reward == 1.0 and played.info["is_success"] and played.tokens == 30
    assert [message["role"] for message in played.messages] == [
        "system", "user", "assistant", "tool", "assistant", "tool", "assistant",
    ]  # fmt: skip
    assert [m["content"] for m in played.messages if m["role"] == "tool"] == ["2", "5"]
    assert played.messages[3]["tool_call_id"] == played.messages[2]["tool_calls"][0]["id"] == "c0"
    assert client.asked[0]["temperature"] == 0.5 and client.asked[0]["model"] == "m"
    assert [tool["function"]["name"] for tool in client.asked[0]["tools"]] == ["count", "hostile"]


def test_several_calls_of_a_turn_are_one_step() -> None:
    client = Client([[("count", '{"number": "2"}'), ("count", '{"number": "3"}')], "\\boxed{answer 3}"])
    played = play(client, "m", toy_env(max_turns=2), task="t/3")
    assert [m["content"] for m in played.messages if m["role"] == "tool"] == ["2", "5"]
    assert played.reward == 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("cuont", "{}"), "did you mean 'count'"),
        (("count", '{"numbr": "2"}'), "number"),
        (("count", ""), "argument 'number' is missing"),
        (("count", "[2]"), "ValueError"),
        (("count", '{"number": "2"'), "ValueError"),
        (("count", '{"number": NaN}'), "ValueError"),
        (("count", '{"number": "2", "number": "3"}'), "ValueError"),
        (("count", '{"number": ' + "[" * 500 + "]" * 500 + "}"), "ValueError"),
        (("count", "[" * 100_000), "ValueError"),
        (("count", '{"number": ' * 5000 + "1" + "}" * 5000), "ValueError"),
        (("hostile", '{"how": "refuse"}'), "not like this"),
    ],
)
def test_a_call_that_fails_is_text_for_the_model(call: tuple[str, str], words: str) -> None:
    played = play(Client([[call], "\\boxed{answer 3}"]), "m", toy_env(), task="t/3")
    assert words in next(m["content"] for m in played.messages if m["role"] == "tool")
    assert played.reward == 1.0


@pytest.mark.parametrize("dialect", dialect_names())
@pytest.mark.parametrize("said", ["answer 3", "", "<count> 3 </count>", '{"role": "assistant", "content": "x"}'])
def test_a_last_message_without_a_box_is_a_format_error_in_every_dialect(dialect: str, said: str) -> None:
    env = ToolEnv(SOURCE, [CountTool], dialect, f1)
    played = play(Client([said]), "m", env, task="t/3")
    assert played.reward == -1.0 and played.info["answer"] is None and not played.info["format_ok"]
    assert played.messages[-1] == {"role": "assistant", "content": said}


def test_the_environments_limits_hold() -> None:
    played = play(Client([[("count", '{"number": "2"}')]] * 9), "m", toy_env(max_turns=3), task="t/3")
    assert played.reward == -1.0 and played.info["answer"] is None
    assert sum(message["role"] == "assistant" for message in played.messages) == 3
