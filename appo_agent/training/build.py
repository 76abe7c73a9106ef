"""From settings to working parts: environments, tokenizer, model, learner, sampler, collector.

The one place that knows which implementations stand behind the protocols.
"""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import torch

import appo_envs  # noqa: F401  (registers the environment ids)
from appo_agent.errors import ConfigError, did_you_mean
from appo_agent.policies.base import Sampler, Tokenizer
from appo_agent.policies.forward import CausalModel
from appo_agent.policies.learner import InProcessLearner
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.config import TINY, TrainConfig
from appo_agent.training.policy import Policy, build_policy
from appo_envs import Task
from appo_envs.registration import env_ids

DEFAULT_DIALECT = "tags"
DIALECT_OPTION = "dialect="


@dataclass(frozen=True, eq=False)
class Agent:
    """The working parts of a run."""

    policy: Policy
    learner: InProcessLearner
    collector: Collector

    @property
    def model(self) -> CausalModel:
        """The policy's model."""
        return self.policy.model

    @property
    def tokenizer(self) -> Tokenizer:
        """The policy's tokenizer."""
        return self.policy.tokenizer

    @property
    def sampler(self) -> Sampler:
        """The policy's sampler."""
        return self.policy.sampler

    @property
    def inline_results(self) -> bool:
        """Whether the environment's results continue the model's own message."""
        env = self.collector.envs.acquire()
        inline = tool_env(env).inline_results
        self.collector.envs.release(env)
        return inline

    def prompts(self, tasks: Iterable[Task]) -> Iterator[list[int]]:
        """Token ids of the prompts of tasks, made one at a time."""
        env = self.collector.envs.acquire()
        inner = tool_env(env)
        self.collector.envs.release(env)
        for task in tasks:
            yield self.tokenizer.prompt(inner.opening(task))

    def push_weights(self) -> None:
        """Give the learner's weights to the sampler."""
        self.sampler.set_weights(self.learner.version, self.learner.weights())

    def close(self) -> None:
        """Close environments and sampler."""
        self.collector.close()
        self.policy.close()


def env_maker(env_id: str, options: tuple[str, ...]) -> Callable[[], gymnasium.Env]:
    """A function that makes one environment.

    Raises:
        ConfigError: unknown id (names the nearest), malformed option, or options that the environment refuses.
    """
    check_env_id(env_id)
    keywords: dict[str, Any] = dict(_option(option) for option in options)

    def make() -> gymnasium.Env:
        return gymnasium.make(env_id, disable_env_checker=True, **keywords)

    try:
        make().close()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"env_options: {env_id} does not accept {', '.join(options)}: {error}") from error
    return make


def check_env_id(env_id: str) -> None:
    """Refuse ids that gymnasium does not know. An id may name a module that registers it: module:id.

    Raises:
        ConfigError: there is no such module or environment; names the nearest.
    """
    module, colon, name = env_id.rpartition(":")
    if colon:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigError(
                f"env: {env_id!r} names the module {module!r}, which cannot be imported: {error}"
            ) from error
    if name not in gymnasium.registry:
        raise ConfigError(f"env: no environment {name!r}{did_you_mean(name, env_ids())}; see `appo envs`")


def dialect_name(config: TrainConfig) -> str:
    """How the policy calls tools: as the environment's options or the settings say, or as its family does."""
    for option in config.env_options:
        if option.startswith(DIALECT_OPTION):
            return option.removeprefix(DIALECT_OPTION)
    if config.dialect != "auto":
        return config.dialect
    if config.model == TINY:
        return DEFAULT_DIALECT
    from appo_agent.policies.pretrained.family import family_dialect

    return family_dialect(config.model, config.pretrained.revision)


def with_dialect(config: TrainConfig) -> tuple[str, ...]:
    """The environment's options, the policy's dialect among them where it is not the default."""
    name = dialect_name(config)
    named = any(option.startswith(DIALECT_OPTION) for option in config.env_options)
    return config.env_options if named or name == DEFAULT_DIALECT else (*config.env_options, f"{DIALECT_OPTION}{name}")


def build_agent(config: TrainConfig, policy_folder: Path | None = None, *, weights_follow: bool = False) -> Agent:
    """Make every part of a run.

    Args:
        config: the run's settings.
        policy_folder: load the policy from this Hugging Face folder; None: from the one that the settings begin with,
            or a new one.
        weights_follow: a checkpoint will be loaded; a first policy that is no longer in its folder is not needed then.

    Raises:
        ConfigError: the settings begin with a folder that holds no policy.
    """
    torch.set_num_threads(config.threads)
    envs = EnvPool(env_maker(config.env, with_dialect(config)))
    env = envs.acquire()
    vocabulary = tool_env(env).vocabulary
    envs.release(env)
    folder = policy_folder or _first_policy(config, weights_follow=weights_follow)
    policy = build_policy(config, vocabulary, folder)
    learner = InProcessLearner(
        policy.model,
        config.optimizer,
        temperature=config.sampling.temperature,
        save=policy.save,
        keep_previous=config.plan.scores_with_previous_weights,
    )
    collector = Collector(envs, policy.tokenizer, config.sampling, config.tool_workers)
    if config.cluster.address:
        # Ray is imported only by runs that spread.
        from appo_agent.cluster.assemble import spread

        policy, learner, collector = spread(config, policy, learner, folder)
    agent = Agent(policy, learner, collector)
    agent.push_weights()
    return agent


def _first_policy(config: TrainConfig, *, weights_follow: bool) -> Path | None:
    """The folder that the settings begin with; None: make a new policy."""
    if not config.cold_start.policy:
        return None
    folder = Path(config.cold_start.policy)
    if (folder / "config.json").is_file():
        return folder
    # Of a policy with adapters a checkpoint holds the adapters alone; what they adapt is in the folder.
    adapted = config.model != TINY and config.pretrained.lora_rank > 0
    if weights_follow and not adapted:
        return None
    advice = "name the `policy` of a finished run"
    if weights_follow:
        advice = "the run adapts its weights: put it back there"
    raise ConfigError(f"cold_start.policy: {folder} holds no policy; {advice}")


def _option(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"env_options: expected name=value, got {text!r}")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
