"""What an environment lacks for a run is said in one line before anything is made."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest

import appo_envs
from appo_agent.commands.main import main
from appo_agent.errors import ConfigError
from appo_agent.evaluation import EvaluationConfig
from appo_agent.training.config import TrainConfig
from appo_agent.training.preflight import check_environment
from appo_agent.training.sft import ColdStartConfig

ENV_ID = "test/Listed-v0"
EVERYWHERE = EvaluationConfig(split="train", validation_episodes=0)


@appo_envs.tool
def echo(text: str) -> str:
    """Say it again."""
    return text


@pytest.fixture(autouse=True)
def listed() -> Iterator[None]:
    tasks = [appo_envs.Task("one", "what ?", "that")]
    appo_envs.register_tool_env(ENV_ID, tasks=tasks, tools=[echo], grade=lambda answer, gold: answer == gold)
    yield
    del gymnasium.registry[ENV_ID]


def _pretrained(**settings: object) -> TrainConfig:
    return replace(TrainConfig(env=ENV_ID, model="some/model", cold_start=ColdStartConfig(steps=0)), **settings)


def test_our_environments_have_what_a_run_needs() -> None:
    for name in ("DeepSearch", "KnowledgeQA", "MathPython"):
        check_environment(TrainConfig(env=f"appo/{name}-v0"))


def test_free_text_is_not_for_the_bundled_policy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["train", "--env", ENV_ID, "--run-dir", str(tmp_path / "run")]) == 2
    assert "take a pretrained model" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_splits_that_will_be_evaluated_must_be_there() -> None:
    with pytest.raises(ConfigError, match="no split 'test', which evaluation.split needs; there are train"):
        check_environment(_pretrained())
    with pytest.raises(ConfigError, match="no split 'validation'"):
        check_environment(_pretrained(evaluation=replace(EVERYWHERE, validation_episodes=8)))
    check_environment(_pretrained(evaluation=EVERYWHERE))


def test_a_cold_start_needs_somebody_to_imitate() -> None:
    steps = ColdStartConfig(steps=5)
    with pytest.raises(ConfigError, match=r"nobody demonstrates test/Listed-v0 .*--cold-start.steps 0"):
        check_environment(_pretrained(evaluation=EVERYWHERE, cold_start=steps))
    check_environment(_pretrained(evaluation=EVERYWHERE, cold_start=replace(steps, data="conversations.jsonl")))


def test_an_environment_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs an environment of appo_envs"):
        check_environment(TrainConfig(env="CartPole-v1"))
