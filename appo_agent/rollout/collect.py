"""The one turn loop: episodes and a sampler to finished rollouts.

Owns the environments that episodes borrow and the order of work. It is completion-driven: whatever generation finishes
first goes to its tools first, and an episode that waits for a tool holds no generation slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple

import gymnasium
import numpy as np

from appo_agent.policies.base import Completion, GenerationRequest, Sampler, Tokenizer
from appo_agent.rollout.episode import Episode, SamplingConfig
from appo_agent.rollout.tool_env import tool_env
from appo_agent.types import Rollout, RolloutTree, TokenSpan
from appo_envs import Task
from appo_envs.seeding import derive_seed


class EnvPool:
    """Environments that are made once and used again.

    Args:
        make: makes one environment.
    """

    def __init__(self, make: Callable[[], gymnasium.Env]) -> None:
        self._make = make
        self._idle: list[gymnasium.Env] = []

    def acquire(self) -> gymnasium.Env:
        """An environment that nobody uses; its state is whatever its last user left."""
        return self._idle.pop() if self._idle else self._make()

    def release(self, env: gymnasium.Env) -> None:
        """Give an environment back."""
        self._idle.append(env)

    def close(self) -> None:
        """Close every idle environment."""
        while self._idle:
            self._idle.pop().close()


class Collector:
    """Runs episodes to their end.

    Args:
        envs: where environments come from.
        tokenizer: the policy's.
        config: how turns are generated.
        tool_workers: threads that run environment steps. 0 runs them in place, in order ("lock step"): the same seed
            then gives the same bytes.
    """

    def __init__(self, envs: EnvPool, tokenizer: Tokenizer, config: SamplingConfig, tool_workers: int = 0) -> None:
        if tool_workers < 0:
            raise ValueError(f"tool_workers must be 0 or more, got {tool_workers}")
        self.envs = envs
        self.tokenizer = tokenizer
        self.config = config
        self._tools = ThreadPoolExecutor(tool_workers, "tools") if tool_workers else None

    def close(self) -> None:
        """Close the environments and stop the tool threads."""
        if self._tools is not None:
            self._tools.shutdown(cancel_futures=True)
        self.envs.close()

    def collect(
        self, tasks: Sequence[Task], rollouts: int, sampler: Sampler, seed: int, *, keep_states: bool
    ) -> list[RolloutTree]:
        """Independent rollouts of each task: one tree a task, `rollouts` initial rollouts a tree.

        Args:
            tasks: one tree each; the same task may come twice.
            rollouts: N, at least 1.
            sampler: draws every turn with its current weights.
            seed: decides all noise of this call.
            keep_states: keep the snapshots that branches fork from.
        """
        episodes: list[Episode] = []
        prompts: list[TokenSpan] = []
        for index, task in enumerate(tasks):
            for number in range(rollouts):
                env = self.envs.acquire()
                if number == 0:
                    # Known without a reset, which may break: a tree needs its prompt even if no rollout begins.
                    ids = self.tokenizer.prompt(tool_env(env).opening(task))
                    prompts.append(TokenSpan("prompt", np.array(ids, np.int64)))
                episodes.append(_independent(env, task, prompts[index], index, number, seed, keep_states))
        finished = self.run(episodes, sampler)
        return [
            RolloutTree(task, prompts[index], tuple(finished[index * rollouts : (index + 1) * rollouts]))
            for index, task in enumerate(tasks)
        ]

    def extend(
        self, trees: Sequence[RolloutTree], counts: Sequence[int], sampler: Sampler, seed: int, *, keep_states: bool
    ) -> list[RolloutTree]:
        """Further independent rollouts for trees that exist.

        Args:
            trees: the trees, unchanged by this call.
            counts: rollouts to add to each; 0 adds none.
            sampler: draws every turn with its current weights.
            seed: decides all noise of this call.
            keep_states: keep the snapshots that branches fork from.
        """
        episodes: list[Episode] = []
        for index, (tree, count) in enumerate(zip(trees, counts, strict=True)):
            first = 1 + max((int(rollout.id) for rollout in tree.initial), default=-1)
            for number in range(first, first + count):
                env = self.envs.acquire()
                episodes.append(_independent(env, tree.task, tree.prompt, index, number, seed, keep_states))
        finished = iter(self.run(episodes, sampler))
        return [tree.add([next(finished) for _ in range(count)]) for tree, count in zip(trees, counts, strict=True)]

    def run(self, episodes: Sequence[Episode], sampler: Sampler) -> list[Rollout]:
        """The turn loop: generate, step, append, until every episode is over. Rollouts come in the order given."""
        by_key = {episode.key: episode for episode in episodes}
        if len(by_key) != len(episodes):
            raise ValueError("two episodes have the same key")
        finished: dict[str, Rollout] = {}
        steps: set[Future[_Stepped]] = set()
        stepped = [_Stepped(episode, None) for episode in episodes]
        while True:
            ongoing = [episode for episode, rollout in stepped if rollout is None]
            for episode, rollout in [*stepped, *self._submit(ongoing, sampler)]:
                if rollout is not None:
                    finished[episode.key] = rollout
                    self.envs.release(episode.env)
            if len(finished) == len(episodes):
                return [finished[episode.key] for episode in episodes]
            completions = sampler.completed()
            if self._tools is None:
                stepped = [self._step(by_key[done.request_id], done) for done in completions]
            else:
                steps |= {self._tools.submit(self._step, by_key[done.request_id], done) for done in completions}
                # With generations still queued nothing blocks on tools; otherwise wait for the first.
                ready, steps = wait(steps, timeout=0 if completions else None, return_when=FIRST_COMPLETED)
                stepped = [future.result() for future in ready]

    def _step(self, episode: Episode, completion: Completion) -> _Stepped:
        return _Stepped(episode, episode.advance(completion.generation, self.tokenizer, self.config))

    def _submit(self, episodes: Iterable[Episode], sampler: Sampler) -> list[_Stepped]:
        """Ask for the next turn of each episode. Returns those that have none, with their rollouts."""
        requests: list[GenerationRequest] = []
        over: list[_Stepped] = []
        for episode in episodes:
            asked = episode.request(self.config, tool_env(episode.env).stop_strings, sampler.version)
            if isinstance(asked, Rollout):
                over.append(_Stepped(episode, asked))
            else:
                requests.append(asked)
        sampler.submit(requests)
        return over


def _independent(
    env: gymnasium.Env, task: Task, prompt: TokenSpan, index: int, number: int, seed: int, keep_states: bool
) -> Episode:
    """Rollout `number` of tree `index`, from its prompt."""
    episode = Episode(
        key=f"{index}/{number}",
        rollout_id=str(number),
        env=env,
        prefix=prompt.token_ids,
        head=np.empty(0, np.int64),
        origin=None,
        seed=derive_seed(seed, index),
        keep_states=keep_states,
    )
    start = derive_seed(seed, index, number, "env") % 2**31
    episode.enter(lambda: env.reset(seed=start, options={"task": task.id}))
    return episode


class _Stepped(NamedTuple):
    episode: Episode
    rollout: Rollout | None
