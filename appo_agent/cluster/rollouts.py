"""The collector and the sampler of a run whose episodes are played by workers.

Owns the cut of episodes into calls and the life of snapshots on workers. The cut depends on the episodes alone, never
on which workers there are, so that a run in lock step gives the same bytes whoever comes and goes.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Protocol

import gymnasium
import numpy as np
from torch import Tensor

from appo_agent.cluster.placed_env import PlacedEnv, Scout, SnapshotHandle
from appo_agent.cluster.worker import Call, Job, Method
from appo_agent.policies.base import Completion, GenerationRequest, Sampler, StaleWeightsError, Tokenizer
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.episode import Episode, SamplingConfig
from appo_agent.types import Rollout


class Hands(Protocol):
    """What is asked of a pool of workers; `pool.WorkerPool` is the one on Ray."""

    def set_weights(self, version: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Give every worker other weights."""
        ...

    def map(self, method: Method, jobs: Sequence[Job]) -> list[Any]:
        """What each call gives, in the order of the jobs."""
        ...

    def release(self, worker: str, numbers: Sequence[int]) -> None:
        """Forget snapshots of a worker."""
        ...


class ClusterSampler:
    """Generates on the workers. Turns of episodes do not pass through here; they are drawn where the episode is.

    Args:
        pool: the workers.
    """

    def __init__(self, pool: Hands) -> None:
        self._pool, self._version = pool, -1
        self._waiting: dict[str, GenerationRequest] = {}

    @property
    def version(self) -> int:
        """Version of the weights that workers were given last; -1 before the first."""
        return self._version

    def set_weights(self, version: int, source: Mapping[str, Tensor]) -> None:
        """Send weights to the workers, as float arrays through the object store.

        Raises:
            StaleWeightsError: requests wait for the weights of now.
            RunError: the object store has no room.
        """
        if self._waiting:
            raise StaleWeightsError(
                f"{len(self._waiting)} requests wait for version {self._version}; finish them first"
            )
        # numpy has no bfloat16; a bfloat16 number is a float32 number too.
        self._pool.set_weights(version, {name: _array(value) for name, value in source.items()})
        self._version = version

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue requests.

        Raises:
            StaleWeightsError: a request wants other weights.
            ValueError: the id is under way.
        """
        for request in requests:
            if request.version != self._version:
                raise StaleWeightsError(
                    f"request {request.id} wants weights {request.version}, the workers hold {self._version}"
                )
            if request.id in self._waiting:
                raise ValueError(f"request {request.id} is already under way")
            self._waiting[request.id] = request

    def completed(self) -> list[Completion]:
        """Everything that is queued, once it is done."""
        if not self._waiting:
            return []
        call = Call(0, self._version, requests=tuple(self._waiting.values()))
        [completions] = self._pool.map("generate", [Job(call, None)])
        self._waiting.clear()
        return completions


class ClusterCollector(Collector):
    """Has episodes played by workers.

    Args:
        pool: the workers.
        env: the driver's own environment, for prompts and demonstrations.
        tokenizer: the policy's.
        config: how turns are generated.
        episodes_per_call: most episodes that a worker is given at a time.
    """

    def __init__(
        self,
        pool: Hands,
        env: gymnasium.Env,
        tokenizer: Tokenizer,
        config: SamplingConfig,
        *,
        episodes_per_call: int,
    ) -> None:
        scout = Scout(env)
        super().__init__(EnvPool(lambda: PlacedEnv(scout)), tokenizer, config)
        self._pool, self._scout, self._size = pool, scout, episodes_per_call
        self._numbers = count(1)
        self._users: Counter[tuple[str, int]] = Counter()

    def close(self) -> None:
        """Close the driver's environment. The workers belong to the pool."""
        super().close()
        self._scout.env.close()

    def run(self, episodes: Sequence[Episode], sampler: Sampler) -> list[Rollout]:
        """Have every episode played to its end. Rollouts come in the order given; their snapshots stay on workers."""
        cut = self._cut(episodes)
        jobs = [
            Job(
                Call(next(self._numbers), sampler.version, tuple(episodes[place] for place in places)),
                _home(episodes[places[0]]),
            )
            for places in cut
        ]
        answers = self._pool.map("run", jobs)
        finished: dict[int, Rollout] = {}
        for places, rollouts in zip(cut, answers, strict=True):
            finished |= dict(zip(places, rollouts, strict=True))
        for episode in episodes:
            _placed(episode).leave()
            self.envs.release(episode.env)
        return [self._watched(finished[place]) for place in range(len(episodes))]

    def _cut(self, episodes: Sequence[Episode]) -> list[list[int]]:
        """Places of the episodes of each call: those that fork from snapshots of one call together, in order."""
        groups: dict[int, list[int]] = {}
        for place, episode in enumerate(episodes):
            handle = _handle(episode)
            groups.setdefault(-1 if handle is None else handle.call, []).append(place)
        return [
            places[start : start + self._size]
            for places in groups.values()
            for start in range(0, len(places), self._size)
        ]

    def _watched(self, rollout: Rollout) -> Rollout:
        """The rollout, with a note on each of its snapshots to free it once the last tree that holds it is gone."""
        for turn in rollout.turns:
            handle = None if turn.env_state is None else turn.env_state.env
            if isinstance(handle, SnapshotHandle):
                self._users[handle.worker, handle.number] += 1
                weakref.finalize(handle, self._forget, handle.worker, handle.number).atexit = False
        return rollout

    def _forget(self, worker: str, number: int) -> None:
        self._users[worker, number] -= 1
        if self._users[worker, number] == 0:
            del self._users[worker, number]
            self._pool.release(worker, [number])


def _placed(episode: Episode) -> PlacedEnv:
    if not isinstance(episode.env, PlacedEnv):
        raise TypeError(f"episode {episode.key}: expected a stand-in of the cluster's collector, got {episode.env}")
    return episode.env


def _handle(episode: Episode) -> SnapshotHandle | None:
    start = _placed(episode).start
    return start if isinstance(start, SnapshotHandle) else None


def _home(episode: Episode) -> str | None:
    handle = _handle(episode)
    return None if handle is None else handle.worker


def _array(value: Tensor) -> np.ndarray:
    plain = value.detach().cpu()
    return (plain if plain.dtype.itemsize >= 4 else plain.float()).numpy()
