"""What a rollout worker does: whole episodes, with environments and a sampler of its own. Runs anywhere, knows no Ray.

Owns the snapshots that its episodes leave behind, the refusal of other weights than it holds, and its description of
itself. Which episodes it gets is the pool's affair.
"""

from __future__ import annotations

import copyreg
import platform
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import torch

from appo_agent.cluster.placed_env import PlacedEnv, SnapshotHandle
from appo_agent.cluster.replay import ReplayLog, Start, history_of
from appo_agent.policies.base import Completion, GenerationRequest, Sampler, StaleWeightsError
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.episode import Episode
from appo_agent.types import Rollout, Turn
from appo_envs import restore
from appo_envs.forking import WrappedState

Method = Literal["run", "generate"]
PACKAGES = ("appo-gym", "torch", "numpy", "gymnasium", "transformers", "vllm")
"""Whose versions must be the same everywhere."""


def _read_only(values: dict) -> MappingProxyType:
    return MappingProxyType(values)


def _rebuild(proxy: MappingProxyType) -> tuple[Callable[[dict], MappingProxyType], tuple[dict]]:
    return _read_only, (dict(proxy),)


# Episodes and rollouts hold read-only mappings, which Python does not pickle by itself.
copyreg.pickle(MappingProxyType, _rebuild)


class WorkerFacts(NamedTuple):
    """What a worker says of itself.

    Attributes:
        id: one process's life.
        node: name of the machine.
        packages: (name, version) of Python and of what decides results; "" where one is not installed.
        degraded: features of isolation that Python sessions go without there.
    """

    id: str
    node: str
    packages: tuple[tuple[str, str], ...]
    degraded: tuple[str, ...] = ()


class Call(NamedTuple):
    """What a worker is asked for.

    Attributes:
        number: of the call; its snapshots carry it.
        version: weights that must draw the tokens.
        episodes: to be run to their end.
        requests: turns to be generated alone.
    """

    number: int
    version: int
    episodes: tuple[Episode, ...] = ()
    requests: tuple[GenerationRequest, ...] = ()


class Job(NamedTuple):
    """One call, and the worker whose snapshots it forks from; None: any worker will do."""

    call: Call
    home: str | None


class RolloutWorker:
    """Runs episodes.

    Args:
        sampler: draws the turns.
        make_collector: makes the turn loop around an environment pool.
        make_env: makes one environment.
        fresh_cache: drop what the sampler has cached before each call, so that a call gives the same bytes on whichever
            worker it is done.
        degraded: features of isolation that are missing here.
    """

    def __init__(
        self,
        sampler: Sampler,
        make_collector: Callable[[EnvPool], Collector],
        make_env: Callable[[], ReplayLog],
        *,
        fresh_cache: bool,
        degraded: Iterable[str] = (),
    ) -> None:
        self.facts = WorkerFacts(uuid.uuid4().hex[:12], platform.node(), package_versions(), tuple(degraded))
        self._sampler, self._fresh_cache = sampler, fresh_cache
        self._collector = make_collector(EnvPool(make_env))
        self._weights: Mapping[str, torch.Tensor] = {}
        self._snapshots: dict[int, WrappedState] = {}
        self._next_number = 0

    @property
    def held_snapshots(self) -> int:
        """Snapshots that lie here."""
        return len(self._snapshots)

    def set_weights(self, version: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Take other weights. The arrays may be read-only and shared with other processes."""
        # Samplers copy what they keep; the copy here is what `fresh_cache` gives them again.
        self._weights = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        self._sampler.set_weights(version, self._weights)

    def release(self, numbers: Iterable[int]) -> None:
        """Forget snapshots that nobody will fork from any more."""
        for number in numbers:
            self._snapshots.pop(number, None)

    def run(self, call: Call) -> list[Rollout]:
        """Run episodes to their end, in order; their snapshots stay here and come back as handles.

        Raises:
            StaleWeightsError: the worker holds other weights than the call names.
        """
        self._begin(call)
        for episode in call.episodes:
            env = self._collector.envs.acquire()
            if not isinstance(env, ReplayLog):
                raise TypeError(f"expected an environment with a log, got {type(env).__name__}")
            if not isinstance(episode.env, PlacedEnv) or episode.env.start is None:
                raise TypeError(f"episode {episode.key}: expected a stand-in with a start, got {episode.env}")
            episode.enter(partial(self._enter, env, episode.env.start))
            episode.env = env
        return [self._keep(rollout, call.number) for rollout in self._collector.run(call.episodes, self._sampler)]

    def generate(self, call: Call) -> list[Completion]:
        """Generate turns, in any order.

        Raises:
            StaleWeightsError: the worker holds other weights than the call names.
        """
        self._begin(call)
        self._sampler.submit(call.requests)
        done: list[Completion] = []
        while len(done) < len(call.requests):
            done += self._sampler.completed()
        return done

    def _begin(self, call: Call) -> None:
        if self._sampler.version != call.version:
            raise StaleWeightsError(
                f"worker {self.facts.id} on {self.facts.node} holds weights {self._sampler.version}, the call wants "
                f"{call.version}"
            )
        if self._fresh_cache:
            self._sampler.set_weights(call.version, self._weights)

    def _enter(self, env: ReplayLog, start: Start | SnapshotHandle) -> None:
        if isinstance(start, Start):
            env.begin(start)
        elif start.worker == self.facts.id and start.number in self._snapshots:
            restore(env, self._snapshots[start.number])
        else:
            env.replay(start.history)

    def _keep(self, rollout: Rollout, call: int) -> Rollout:
        return replace(rollout, turns=tuple(self._keep_state(turn, call) for turn in rollout.turns))

    def _keep_state(self, turn: Turn, call: int) -> Turn:
        state = turn.env_state
        if state is None or isinstance(state.env, SnapshotHandle):
            return turn
        self._next_number += 1
        self._snapshots[self._next_number] = state
        handle = SnapshotHandle(self.facts.id, self._next_number, call, history_of(state))
        return replace(turn, env_state=WrappedState(handle, ()))


def package_versions() -> tuple[tuple[str, str], ...]:
    """(name, version) of Python and of the packages that must be the same everywhere; "" where one is missing."""
    return (("python", platform.python_version()), *((name, _version(name)) for name in PACKAGES))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
