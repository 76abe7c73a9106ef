"""Rollout workers as Ray actors: hired, admitted, given work, lost and replaced.

Owns that no work is lost: what a worker had in its hands when it went is given to another one, with the same seeds.
What the work is belongs to `worker.py`; which episodes there are, to the collector.
"""

from __future__ import annotations

import logging
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray
from ray.exceptions import ObjectStoreFullError, OutOfMemoryError, RayError, RayTaskError

from appo_agent.cluster.settings import ClusterConfig
from appo_agent.cluster.worker import Call, Job, Method, RolloutWorker, WorkerFacts, package_versions
from appo_agent.errors import AppoError, ConfigError, RunError
from appo_agent.policies.base import StaleWeightsError
from appo_envs.errors import EnvError

_log = logging.getLogger(__name__)
_WAIT_S = 1.0


@dataclass(eq=False)
class _Hand:
    """A worker as the driver sees it.

    Attributes:
        actor: its Ray handle.
        hello: answers with its facts once it is up.
        facts: None until it is admitted.
        job: index of the job it is at.
    """

    actor: Any
    hello: Any
    facts: WorkerFacts | None = None
    job: int | None = None
    answer: Any = None


@dataclass
class PoolFigures:
    """What happened to the pool so far: workers `admitted`, `lost` and `refused`, and jobs `requeued`."""

    admitted: int = 0
    lost: int = 0
    refused: list[str] = field(default_factory=list)
    requeued: int = 0


class WorkerPool:
    """As many workers as are wanted and the cluster has room for.

    Args:
        make_worker: makes one, on its machine.
        config: how many, and what each gets.

    Attributes:
        figures: what happened so far.
    """

    def __init__(self, make_worker: Callable[[], RolloutWorker], config: ClusterConfig) -> None:
        self._make, self._config, self._wanted = make_worker, config, config.workers
        self._packages = package_versions()
        self._hands: list[_Hand] = []
        self._weights: Any = None
        self._version = -1
        self._alone_since = time.monotonic()
        self._losses_in_a_row = 0
        self.figures = PoolFigures()
        actor: Any = ray.remote(_Actor)
        # A lost worker is replaced by a new one, never restarted: its snapshots and weights are gone either way.
        self._actor_class = actor.options(
            num_cpus=config.cpus_per_worker, num_gpus=config.gpus_per_worker, max_restarts=0, max_task_retries=0
        )
        self._hire()

    @property
    def workers(self) -> tuple[WorkerFacts, ...]:
        """Those that are at work or ready for it."""
        self._admit()
        return tuple(hand.facts for hand in self._hands if hand.facts is not None)

    @property
    def actors(self) -> Mapping[str, Any]:
        """Ray handles of the workers that are ready, by worker id."""
        self._admit()
        return {hand.facts.id: hand.actor for hand in self._hands if hand.facts is not None}

    def resize(self, workers: int) -> None:
        """Want more or fewer workers from now on; those that are too many finish what they are at."""
        if workers < 1:
            raise ValueError(f"expected at least 1 worker, got {workers}")
        self._wanted = workers
        self._hire()
        self._dismiss()

    def set_weights(self, version: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Give every worker, and those that come later, other weights.

        Raises:
            RunError: the object store has no room for them.
        """
        try:
            self._weights = ray.put(dict(arrays))
        except (ObjectStoreFullError, OutOfMemoryError) as error:
            size = sum(array.nbytes for array in arrays.values()) / 2**20
            raise RunError(
                f"the object store has no room for weights of {size:,.0f} MiB; give it three times as much "
                "(cluster.object_store_mb, or `ray start --object-store-memory`), or lower cluster.workers"
            ) from error
        self._version = version
        for hand in self._hands:
            if hand.facts is not None:
                hand.actor.set_weights.remote(version, self._weights)

    def release(self, worker: str, numbers: Sequence[int]) -> None:
        """Tell a worker that nobody will fork from these snapshots of its any more; nothing if it is gone."""
        for hand in self._hands:
            if hand.facts is not None and hand.facts.id == worker:
                hand.actor.release.remote(tuple(numbers))

    def map(self, method: Method, jobs: Sequence[Job]) -> list[Any]:
        """Carry out calls.

        Args:
            method: of `RolloutWorker`.
            jobs: one call each.

        Returns:
            What each call gave, in the order of the jobs.

        Raises:
            RunError: there is no worker for too long, or workers die one after another.
        """
        results: dict[int, Any] = {}
        waiting = deque(range(len(jobs)))
        self._alone_since = time.monotonic()
        while len(results) < len(jobs):
            self._admit()
            self._check_staffed()
            for hand in self._idle():
                chosen = self._choose(hand, waiting, jobs)
                if chosen is not None:
                    waiting.remove(chosen)
                    hand.job = chosen
                    hand.answer = getattr(hand.actor, method).remote(jobs[chosen].call)
            self._gather(results, waiting)
            self._dismiss()
        return [results[index] for index in range(len(jobs))]

    def close(self) -> None:
        """Dismiss everybody."""
        while self._hands:
            ray.kill(self._hands.pop().actor)

    def _hire(self) -> None:
        missing = self._wanted - len(self._hands) - len(self.figures.refused)
        for _ in range(missing):
            actor = self._actor_class.remote(self._make)
            self._hands.append(_Hand(actor, actor.facts.remote()))

    def _dismiss(self) -> None:
        """Let go of those that are too many: first those that are not up yet, then those without work."""
        for idle in sorted((h for h in self._hands if h.job is None), key=lambda h: h.facts is not None):
            if len(self._hands) <= self._wanted:
                return
            self._hands.remove(idle)
            ray.kill(idle.actor)

    def _admit(self) -> None:
        coming = {hand.hello: hand for hand in self._hands if hand.facts is None}
        if not coming:
            return
        ready, _ = ray.wait(list(coming), num_returns=len(coming), timeout=0)
        for hello in ready:
            hand = coming[hello]
            try:
                facts = ray.get(hello)
            except RayTaskError as error:
                self._refuse(hand, str(error.as_instanceof_cause()))
                continue
            except RayError as error:
                self._lose(hand, error)
                continue
            difference = self._difference(facts)
            if difference:
                self._refuse(hand, difference)
                continue
            hand.facts = facts
            self.figures.admitted += 1
            if facts.degraded:
                _log.warning("worker %s on %s: sessions go without %s", facts.id, facts.node, ", ".join(facts.degraded))
            if self._version >= 0:
                hand.actor.set_weights.remote(self._version, self._weights)

    def _difference(self, facts: WorkerFacts) -> str:
        ours = dict(self._packages)
        parts = [
            f"{name} {theirs or 'missing'} where the driver has {ours.get(name) or 'none'}"
            for name, theirs in facts.packages
            if theirs != ours.get(name)
        ]
        return f"worker {facts.id} on {facts.node} has {', '.join(parts)}" if parts else ""

    def _refuse(self, hand: _Hand, reason: str) -> None:
        _log.warning("%s; it gets no work", reason)
        self.figures.refused.append(reason)
        self._hands.remove(hand)
        ray.kill(hand.actor)
        if not self._hands:
            raise ConfigError(f"no rollout worker is left: {reason}; every machine needs the same packages and data")

    def _idle(self) -> list[_Hand]:
        return [hand for hand in self._hands if hand.facts is not None and hand.job is None]

    def _choose(self, hand: _Hand, waiting: Sequence[int], jobs: Sequence[Job]) -> int | None:
        """The first job that forks from this worker's snapshots, else the first that needs nobody else's."""
        here = {other.facts.id for other in self._hands if other.facts is not None}
        mine = hand.facts.id if hand.facts is not None else None
        own = (index for index in waiting if jobs[index].home == mine)
        free = (index for index in waiting if jobs[index].home not in here)
        return next(own, next(free, None))

    def _gather(self, results: dict[int, Any], waiting: deque[int]) -> None:
        busy = {hand.answer: hand for hand in self._hands if hand.job is not None}
        coming = [hand.hello for hand in self._hands if hand.facts is None]
        ready, _ = ray.wait([*busy, *coming], num_returns=1, timeout=_WAIT_S)
        for answer in ready:
            hand = busy.get(answer)
            if hand is None or hand.job is None:
                continue
            index, hand.job = hand.job, None
            try:
                results[index] = ray.get(answer)
                self._losses_in_a_row = 0
            except RayTaskError as error:
                cause = error.as_instanceof_cause()
                if not isinstance(cause, StaleWeightsError):
                    raise cause from error
                # The push did not arrive; the worker refused, so nothing was drawn with old weights.
                hand.actor.set_weights.remote(self._version, self._weights)
                self._requeue(index, waiting)
            except RayError as error:
                self._lose(hand, error)
                self._requeue(index, waiting)

    def _requeue(self, index: int, waiting: deque[int]) -> None:
        waiting.appendleft(index)
        self.figures.requeued += 1

    def _lose(self, hand: _Hand, error: Exception) -> None:
        # A worker that cannot be reached may live on; killed, it cannot answer twice.
        ray.kill(hand.actor)
        self._hands.remove(hand)
        self.figures.lost += 1
        self._losses_in_a_row += 1
        _log.warning("a worker is lost (%s); its episodes are given to others", type(error).__name__)
        if self._losses_in_a_row > 3 + self._wanted:
            raise RunError(
                f"{self._losses_in_a_row} workers were lost without one call answered in between; the last: {error}"
            ) from error
        self._hire()

    def _check_staffed(self) -> None:
        if any(hand.facts is not None for hand in self._hands):
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > self._config.patience_s:
            raise RunError(
                f"no rollout worker came up for {self._config.patience_s:g} s; {len(self._hands)} are asked for, each "
                f"with {self._config.cpus_per_worker:g} processors and {self._config.gpus_per_worker:g} GPUs; compare "
                "with `ray status`"
            )


class _Actor:
    """A worker on its machine."""

    def __init__(self, make: Callable[[], RolloutWorker]) -> None:
        self._made: RolloutWorker | None = None
        self._reason = ""
        try:
            self._made = make()
        except (AppoError, EnvError, OSError) as error:
            # Raised here it would look as if the process had died; the pool would try again and again.
            self._reason = f"{type(error).__name__}: {error}"

    @property
    def _worker(self) -> RolloutWorker:
        if self._made is None:
            raise ConfigError(f"a worker cannot be made on {platform.node()}: {self._reason}")
        return self._made

    def facts(self) -> WorkerFacts:
        return self._worker.facts

    def set_weights(self, version: int, arrays: Mapping[str, np.ndarray]) -> None:
        self._worker.set_weights(version, arrays)

    def release(self, numbers: Sequence[int]) -> None:
        self._worker.release(numbers)

    def held_snapshots(self) -> int:
        return self._worker.held_snapshots

    def run(self, call: Call) -> list:
        return self._worker.run(call)

    def generate(self, call: Call) -> list:
        return self._worker.generate(call)
