"""Prompts and episodes that cannot fit are refused before anything is generated."""

from dataclasses import replace
from pathlib import Path

import pytest

from appo_agent.errors import ConfigError
from appo_agent.rollout.episode import SamplingConfig
from appo_agent.training.build import build_agent
from appo_agent.training.room import check_room
from tests.appo_agent.policies.little_models import little_folder
from tests.appo_agent.training.conftest import small_config


def test_a_prompt_needs_one_token_more_for_its_answer() -> None:
    agent = build_agent(small_config())
    longest = check_room(agent)
    assert longest == max(len(prompt) for prompt in agent.prompts("train", 64)) > 1
    agent.collector.config = replace(agent.collector.config, max_rollout_tokens=longest + 1)
    assert check_room(agent) == longest
    agent.collector.config = replace(agent.collector.config, max_rollout_tokens=longest)
    with pytest.raises(ConfigError, match=rf"max_rollout_tokens: \d+ of the first 64 .* the longest has {longest};"):
        check_room(agent)


def test_an_episode_longer_than_the_models_context_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    folder = little_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    sampling = SamplingConfig(max_rollout_tokens=1025)
    with pytest.raises(ConfigError, match=r"max_rollout_tokens: 1025 .* reads at most 1024"):
        build_agent(replace(small_config(), model=str(folder), sampling=sampling))
