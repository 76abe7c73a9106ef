"""Shared pieces: the default environment, its tokenizer, and a script that solves its questions."""

from collections.abc import Callable
from itertools import count
from typing import Any

import gymnasium
import pytest

import appo_envs
from appo_agent.policies.base import GenerationRequest
from appo_agent.policies.scripted import ScriptedSampler
from appo_agent.policies.tiny.tokenizer import WordTokenizer
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.episode import SamplingConfig
from appo_envs import Task, ToolEnv
from appo_envs.errors import SandboxError
from appo_envs.tasks.relations import RELATION_OF
from appo_envs.toolbox import Toolbox

ENV_ID = "appo/KnowledgeQA-v0"


def make_env() -> gymnasium.Env:
    return gymnasium.make(ENV_ID, disable_env_checker=True)


def tool_env() -> ToolEnv:
    env = make_env().unwrapped
    assert isinstance(env, appo_envs.ToolEnv)
    return env


@pytest.fixture(scope="session")
def tokenizer() -> WordTokenizer:
    return WordTokenizer.from_vocabulary(tool_env().vocabulary)


@pytest.fixture
def collector(tokenizer: WordTokenizer) -> Collector:
    return Collector(EnvPool(make_env), tokenizer, SamplingConfig())


@pytest.fixture(scope="session")
def tasks() -> list[Task]:
    split = tool_env().tasks("train")
    return [split[index] for index in range(4)]


def break_call(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """From now on one call of this method of all toolboxes breaks, once: the one with this number, counted from 0."""
    method, calls = getattr(Toolbox, name), count()

    def breaking(*arguments: Any) -> Any:
        if next(calls) == number:
            raise SandboxError(f"no {name}")
        return method(*arguments)

    monkeypatch.setattr(Toolbox, name, breaking)


def solve(tokenizer: WordTokenizer, *, mistake_in_turn: int = -1) -> Callable[[GenerationRequest], str]:
    """A script that answers every question right, or picks a wrong relation in one turn."""

    def script(request: GenerationRequest) -> str:
        words = tokenizer.decode(request.prompt_token_ids.tolist()).split()
        question = " ".join(words[: words.index("?")]).split(" ; ")
        results = [i for i, word in enumerate(words) if word == "</result>"]
        entity = " ".join(words[results[-1] - 2 : results[-1]] if results else question[0].split()[1:])
        turn = len(results)
        if turn == len(question):
            return f"<answer> \\boxed{{ {entity} }} </answer>"
        verb = question[turn].split()[0]
        relation = RELATION_OF[verb]
        if turn == mistake_in_turn:
            relation = {"director": "writer", "writer": "director", "spouse": "mentor", "mentor": "spouse"}[relation]
        return f"<think> {verb} {relation} </think> <search> {relation} {entity} </search>"

    return script


@pytest.fixture
def solver(tokenizer: WordTokenizer) -> ScriptedSampler:
    return ScriptedSampler(solve(tokenizer), tokenizer)
