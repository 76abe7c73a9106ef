"""The example that evaluates an endpoint, with a client in the place of one."""

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appo_envs import EnvError
from tests.examples.loading import example

evaluate_endpoint = example("evaluate_endpoint")


class Knowing:
    """Answers every question of `KnowledgeQA` with what its search found last, after one search."""

    def __init__(self) -> None:
        self.chat = SimpleNamespace(completions=self)
        self.turns = 0

    def create(self, *, messages: list[dict[str, Any]], **_: object) -> Any:
        self.turns += 1
        calls = None
        content: str | None = "\\boxed{ nothing }"
        if messages[-1]["role"] == "user":
            function = SimpleNamespace(name="search", arguments='{"query": "anything"}')
            calls, content = [SimpleNamespace(id="1", function=function)], None
        message = SimpleNamespace(content=content, tool_calls=calls)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=SimpleNamespace(total_tokens=5))


def _options(**changed: object) -> argparse.Namespace:
    plain = {
        "model": "m",
        "env": "appo/KnowledgeQA-v0",
        "split": "test",
        "episodes": 6,
        "concurrency": 3,
        "output": None,
    }
    return argparse.Namespace(**plain | changed)


def test_every_task_is_played_once_and_summed_up() -> None:
    client = Knowing()
    shown = evaluate_endpoint.run(client, _options())
    assert shown == (
        "success 0.0% [0.0%, 39.0%] on 6 episodes; 1.0 tool calls and 10 tokens an episode; 0 broken environments"
    )
    assert client.turns == 12


def test_the_same_command_again_plays_what_is_missing(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    first = Knowing()
    evaluate_endpoint.run(first, _options(output=output, episodes=4))
    lines = output.read_text().splitlines()
    assert len({json.loads(line)["task"] for line in lines}) == 4
    output.write_text("\n".join(lines[:3]) + "\n" + lines[3][:10])
    second = Knowing()
    assert " on 6 episodes" in evaluate_endpoint.run(second, _options(output=output))
    assert second.turns == 6
    assert len({json.loads(line)["task"] for line in output.read_text().splitlines()}) == 6


def test_an_environment_that_breaks_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EnvError("the tool broke")

    monkeypatch.setattr(evaluate_endpoint, "play", broken)
    assert evaluate_endpoint.run(Knowing(), _options()) == "no episode came through; 6 environments broke"
