"""Experts in the dialect of the run, with the marks that reinforcement learning gives."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appo_agent.commands.main import main
from appo_agent.errors import ConfigError
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.build import build_agent
from appo_agent.training.demonstrations import demonstrate
from appo_agent.training.run import env_tasks
from tests.appo_agent.policies.little_models import little_folder
from tests.appo_agent.training.conftest import small_config


def test_an_expert_speaks_hermes_where_the_environment_does(tmp_path: Path) -> None:
    config = replace(small_config(), model=str(little_folder(tmp_path, "qwen3")), sampler="transformers")
    agent = build_agent(config)
    env, task = agent.collector.envs.acquire(), env_tasks(agent, "train")[0]
    made = demonstrate(env, task, agent.tokenizer, 1, "hermes")
    inner = tool_env(env)
    written = agent.tokenizer.decode(made.token_ids[made.written].tolist())
    said = [one["content"] for one in inner.messages if one["role"] == "assistant"]
    assert len(said) > 1 and "<think>" in written
    assert written == "".join(f"{text}<|im_end|>" for text in said), (
        "a turn ends with the token that ends it in sampling"
    )
    for text in said[:-1]:
        call = json.loads(text.partition("<tool_call>")[2].partition("</tool_call>")[0])
        assert call["name"] == "search" and call["arguments"]
    assert "<search>" not in written and "<result>" not in written and "\\boxed" in said[-1]
    shown = agent.tokenizer.decode(made.token_ids[~made.written].tolist())
    assert shown.count("<tool_response>") >= len(said) - 1 and "<tool_response>" not in written
    assert inner.view.ending is not None and inner.view.ending.outcome.format_ok
    agent.close()


def test_the_tokens_are_those_of_a_rollout_that_says_the_same(tmp_path: Path) -> None:
    config = replace(small_config(), model=str(little_folder(tmp_path, "qwen3")), sampler="transformers")
    agent = build_agent(config)
    env, task = agent.collector.envs.acquire(), env_tasks(agent, "train")[0]
    made = demonstrate(env, task, agent.tokenizer, 1, "hermes")
    said = [one["content"] for one in tool_env(env).messages if one["role"] == "assistant"]
    env.reset(seed=1, options={"task": task.id})
    ids, own = agent.tokenizer.prompt(tool_env(env).messages), list[bool]()
    own += [False] * len(ids)
    for text in said:
        turn = [*agent.tokenizer.encode(text), agent.tokenizer.eos_token_id]
        observation, *_ = env.step(text)
        place = len(tool_env(env).messages) - 1
        answer = agent.tokenizer.answers(tool_env(env).messages[place:], after_eos=True) if observation else []
        ids, own = [*ids, *turn, *answer], [*own, *[True] * len(turn), *[False] * len(answer)]
    assert made.token_ids.tolist() == ids and made.written.tolist() == own
    agent.close()


def test_a_dialect_that_cannot_say_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(small_config(), model=str(little_folder(tmp_path, "qwen3")), sampler="transformers")
    agent = build_agent(config)
    env, task = agent.collector.envs.acquire(), env_tasks(agent, "train")[0]
    expert = type(tool_env(env).task_source.expert(task, np.random.default_rng(0)))
    monkeypatch.setattr(expert, "act", lambda self, observation: "<search> open")
    with pytest.raises(ConfigError, match="'hermes' cannot say what the environment's expert wrote"):
        demonstrate(env, task, agent.tokenizer, 1, "hermes")
    agent.close()


def test_a_hermes_model_is_cold_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = little_folder(tmp_path / "model", "qwen3")
    words = (
        "--cold-start.steps 2 --cold-start.batch-size 2 --max-steps 1 --prompts-per-step 2 --mini-batches 1 "
        "--sampler transformers --sampling.max-rollout-tokens 1000 --sampling.max-turn-tokens 8 --plan.rollouts 4 "
        "--plan.initial 2 --plan.branches 1 --evaluation.episodes 2 --evaluation.validation-episodes 0 --json"
    ).split()
    assert main(["train", "--model", str(folder), "--run-dir", str(tmp_path / "run"), *words]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 1
