"""Demonstrations as tokens: what supervised fine-tuning imitates.

Owns the value, and demonstrations by the environment's own expert. Those of recorded conversations are in
`conversations.py`. Both mark what is learned as rollouts do: the words of the policy, never those of the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from appo_agent.errors import ConfigError
from appo_agent.policies.base import Tokenizer
from appo_agent.rollout.collect import EnvPool
from appo_agent.rollout.conversation import ChatMessage, conversation_pieces
from appo_agent.rollout.episode import observed_ids
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.task_stream import TaskStream
from appo_envs import Task
from appo_envs.dialects.convert import convert
from appo_envs.dialects.registry import make_dialect
from appo_envs.seeding import derive_seed
from appo_envs.tasks.source import Expert

EXPERT_DIALECT = "tags"
"""What the experts of the environments write and read."""


@dataclass(frozen=True, eq=False)
class Demonstration:
    """An episode to imitate, as tokens.

    Attributes:
        token_ids: (T,) int64, prompt first.
        written: (T,) True where the demonstrator wrote the token; only these are learned.

    Raises:
        ValueError: lengths differ.
    """

    token_ids: NDArray[np.int64]
    written: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if len(self.token_ids) != len(self.written):
            raise ValueError(f"{len(self.token_ids)} tokens but {len(self.written)} marks")

    @classmethod
    def of(cls, parts: Sequence[tuple[Sequence[int], bool]]) -> Demonstration:
        """Join runs of tokens, each with whether the demonstrator wrote it."""
        ids = np.concatenate([np.asarray(part, np.int64) for part, _ in parts])
        written = np.repeat([mine for _, mine in parts], [len(part) for part, _ in parts])
        return cls(ids, written)

    def head(self, tokens: int) -> Demonstration:
        """The first tokens."""
        return Demonstration(self.token_ids[:tokens], self.written[:tokens])


class Demonstrations(Protocol):
    """An endless sequence of demonstrations, addressed by place, so that a resumed run goes on where it stopped."""

    def take(self, first: int, count: int) -> list[Demonstration]:
        """The `count` demonstrations from place `first` on."""
        ...


class NoDemonstrations:
    """For runs without a cold start."""

    def take(self, first: int, count: int) -> list[Demonstration]:
        """None; asking for one is a mistake."""
        raise ConfigError("cold_start.steps is 0, so there is nothing to imitate")


class ExpertDemonstrations:
    """The environment's own expert, played in the real environment, so that results are real.

    Experts write tags; what they write is converted where the environment speaks another dialect.

    Args:
        envs: environments to demonstrate in.
        tasks: training tasks, one a demonstration.
        tokenizer: the policy's.
        seed: the run's seed; the same place gives the same demonstration.
        dialect: registered name of the environments' dialect.

    Raises:
        ConfigError: the environments do not continue the policy's own message, as the dialect "tags" has it.
    """

    def __init__(
        self, envs: EnvPool, tasks: TaskStream, tokenizer: Tokenizer, seed: int, dialect: str = EXPERT_DIALECT
    ) -> None:
        self._envs, self._tasks, self._tokenizer, self._seed, self._dialect = envs, tasks, tokenizer, seed, dialect
        env = envs.acquire()
        inline = tool_env(env).inline_results
        envs.release(env)
        if dialect == EXPERT_DIALECT and not inline:
            raise ConfigError(
                "cold_start: the environment's expert writes tags, and the environment has a dialect of its own; name "
                "it (dialect), or take conversations (cold_start.data) or no cold start (cold_start.steps = 0)"
            )

    def take(self, first: int, count: int) -> list[Demonstration]:
        """The `count` demonstrations from place `first` on."""
        env = self._envs.acquire()
        places = range(first, first + count)
        seeds = [derive_seed(self._seed, "expert", place) for place in places]
        made = [
            demonstrate(env, self._tasks[place], self._tokenizer, seed, self._dialect)
            for place, seed in zip(places, seeds, strict=True)
        ]
        self._envs.release(env)
        return made


def demonstrate(
    env: gymnasium.Env, task: Task, tokenizer: Tokenizer, seed: int, dialect: str = EXPERT_DIALECT
) -> Demonstration:
    """Play the task source's expert in the environment and write down both sides.

    Raises:
        ConfigError: the dialect cannot say what the expert wrote.
    """
    inner = tool_env(env)
    question, _ = env.reset(seed=seed % 2**31, options={"task": task.id})
    expert = inner.task_source.expert(task, np.random.default_rng(seed))
    if dialect != EXPERT_DIALECT:
        _play_converted(env, expert, question, dialect)
        messages = [ChatMessage(role=one["role"], content=one["content"]) for one in inner.messages]
        return Demonstration.of(conversation_pieces(messages, tokenizer, inline_results=inner.inline_results))
    parts: list[tuple[Sequence[int], bool]] = [(tokenizer.prompt(inner.messages), False)]
    observation, over = question, False
    while not over:
        action = expert.act(observation)
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        parts.append((tokenizer.encode(action), True))
        parts.append((observed_ids(inner, observation, tokenizer, after_eos=False), False))
    return Demonstration.of(parts)


def _play_converted(env: gymnasium.Env, expert: Expert, question: str, dialect: str) -> None:
    """Play an expert that writes and reads tags in an environment of another dialect."""
    tools = tool_env(env).tool_schemas
    tags, spoken = make_dialect(EXPERT_DIALECT, tools), make_dialect(dialect, tools)
    shown, over = question, False
    while not over:
        try:
            action = convert(expert.act(shown), tags, spoken, tools)
        except ValueError as error:
            raise ConfigError(
                f"cold_start: the dialect {dialect!r} cannot say what the environment's expert wrote ({error}); choose "
                "the dialect tags, conversations (cold_start.data), or no cold start (cold_start.steps = 0)"
            ) from error
        _, _, terminated, truncated, info = env.step(action)
        shown = tags.render_results([call.result for call in info["tool_calls"]])
        over = terminated or truncated
