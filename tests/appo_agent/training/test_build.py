"""Environments by id, from this package and from modules of others."""

from dataclasses import replace
from pathlib import Path

import pytest

from appo_agent.errors import ConfigError
from appo_agent.policies.pretrained.settings import PretrainedConfig
from appo_agent.training.build import build_agent, dialect_name, env_maker, with_dialect
from appo_agent.training.config import TrainConfig
from appo_agent.training.demonstrations import ExpertDemonstrations
from appo_agent.training.run import env_tasks
from appo_agent.training.sft import ColdStartConfig
from appo_agent.training.task_stream import TaskStream
from appo_envs import ToolEnv
from tests.appo_agent.policies.little_models import little_folder
from tests.appo_agent.training.conftest import small_config

MODULE = """
import appo_envs

@appo_envs.tool
def twice(number: int) -> int:
    \"\"\"Twice a number.\"\"\"
    return 2 * number

tasks = [appo_envs.Task("a", "?", "2")]
appo_envs.register_tool_env("tests/Twice-v0", tasks=tasks, tools=[twice], grade=lambda answer, gold: answer == gold)
"""


def test_a_module_may_register_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "twice_env.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    env = env_maker("twice_env:tests/Twice-v0", ())()
    assert isinstance(env.unwrapped, ToolEnv)
    env.close()


@pytest.mark.parametrize(
    ("env_id", "words"),
    [
        ("no_such_module:x/Y-v0", "module 'no_such_module', which cannot be imported"),
        ("appo/KnowlegeQA-v0", "did you mean 'appo/KnowledgeQA-v0'"),
        ("math:appo/Nothing-v0", "no environment 'appo/Nothing-v0'"),
    ],
)
def test_unknown_environments_are_named(env_id: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        env_maker(env_id, ())


def test_options_that_the_environment_refuses_are_named() -> None:
    with pytest.raises(ConfigError, match=r"KnowledgeQA-v0 does not accept hopps=2"):
        env_maker("appo/KnowledgeQA-v0", ("hopps=2",))


def test_the_dialect_is_that_of_the_family_unless_somebody_says_so(tmp_path: Path) -> None:
    qwen, llama = (str(little_folder(tmp_path / family, family)) for family in ("qwen3", "llama"))
    config = TrainConfig()
    assert (dialect_name(config), with_dialect(config)) == ("tags", ())
    assert with_dialect(replace(config, model=qwen)) == ("dialect=hermes",)
    assert with_dialect(replace(config, model=llama)) == ()
    assert with_dialect(replace(config, model=qwen, dialect="tags")) == ()
    named = replace(config, model=qwen, env_options=("hops=2", "dialect=native"))
    assert (dialect_name(named), with_dialect(named)) == ("native", ("hops=2", "dialect=native"))


def test_an_expert_that_writes_tags_needs_the_name_of_another_dialect(tmp_path: Path) -> None:
    config = replace(small_config(), model=str(little_folder(tmp_path, "qwen3")), sampler="transformers")
    agent = build_agent(config)
    stream = TaskStream(env_tasks(agent, "train"), 0)
    with pytest.raises(ConfigError, match="a dialect of its own; name it"):
        ExpertDemonstrations(agent.collector.envs, stream, agent.tokenizer, 0)
    agent.close()


def test_a_first_policy_that_is_gone_is_missed_only_where_no_checkpoint_has_its_weights(tmp_path: Path) -> None:
    gone = ColdStartConfig(steps=0, policy=str(tmp_path / "gone"))
    config = replace(small_config(), cold_start=gone)
    with pytest.raises(ConfigError, match="gone holds no policy; name the `policy` of a finished run"):
        build_agent(config)
    build_agent(config, weights_follow=True).close()
    # Adapters are all that a checkpoint has of such a run.
    adapted = PretrainedConfig(dtype="float32", lora_rank=4)
    config = replace(config, model=str(little_folder(tmp_path / "model")), pretrained=adapted)
    with pytest.raises(ConfigError, match="gone holds no policy; the run adapts its weights: put it back there"):
        build_agent(config, weights_follow=True)
