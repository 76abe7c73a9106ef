"""Prompts and episodes that cannot fit are refused before anything is generated."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest

from appo_agent.errors import ConfigError
from appo_agent.evaluation import EvaluationConfig
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.episode import SamplingConfig
from appo_agent.training.build import Agent, build_agent
from appo_agent.training.room import SAMPLE, check_room
from appo_agent.training.run import env_tasks
from appo_envs import Task
from tests.appo_agent.policies.little_models import little_folder
from tests.appo_agent.training.conftest import small_config

TRAINING_ALONE = EvaluationConfig(episodes=1, split="train", validation_episodes=0)


def test_a_prompt_needs_one_token_more_for_its_answer() -> None:
    agent = build_agent(small_config())
    longest = check_room(agent, TRAINING_ALONE)
    sample = env_tasks(agent, "train")[:SAMPLE]
    assert longest == max(map(len, agent.prompts(sample))) > 1
    agent.collector.config = replace(agent.collector.config, max_rollout_tokens=longest + 1)
    assert check_room(agent, TRAINING_ALONE) == longest
    agent.collector.config = replace(agent.collector.config, max_rollout_tokens=longest)
    with pytest.raises(ConfigError, match=rf"\d+ of 64 train prompts .* of task train/\d+/\d+, has {longest};"):
        check_room(agent, TRAINING_ALONE)


def listed(long: Mapping[str, int]) -> Agent:
    """An agent before 80 tasks in each split, of which one has 999 words: the one at a place that is given."""
    splits = {
        split: [
            Task(f"{split}/{place}", "word " * (999 if place == long.get(split) else 9), "1") for place in range(80)
        ]
        for split in ("train", "validation", "test")
    }
    agent = build_agent(small_config())
    envs = EnvPool(lambda: gymnasium.make("appo/MathPython-v0", disable_env_checker=True, tasks=splits))
    return replace(agent, collector=Collector(envs, agent.tokenizer, SamplingConfig(max_rollout_tokens=900)))


@pytest.mark.parametrize(("split", "place"), [("train", 79), ("validation", 69), ("test", 74)])
def test_every_prompt_that_the_run_uses_is_looked_at(split: str, place: int) -> None:
    evaluation = EvaluationConfig(episodes=75, validation_episodes=70)
    with pytest.raises(ConfigError, match=rf"1 of \d+ {split} prompts fill .* of task {split}/{place}, has \d+;"):
        check_room(listed({split: place}), evaluation)


def test_prompts_that_the_run_does_not_use_may_be_long() -> None:
    agent = listed({"validation": 70, "test": 75})
    assert check_room(agent, EvaluationConfig(episodes=75, validation_episodes=70)) < 900
    assert check_room(agent, TRAINING_ALONE) < 900


def test_an_episode_longer_than_the_models_context_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    folder = little_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    sampling = SamplingConfig(max_rollout_tokens=1025)
    with pytest.raises(ConfigError, match=r"max_rollout_tokens: 1025 .* reads at most 1024"):
        build_agent(replace(small_config(), model=str(folder), sampling=sampling))
