"""What a run on many workers costs its driver, and what gives way first on the way to 1,000 workers.

Owns the measured costs (of an episode's passage through the driver, a snapshot, a tree record, a weight push) and the
arithmetic of a step. Workers are simulated: they answer with what real ones answered before, at no time at all, so that
the driver's own work is all that is measured.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from row import Row

import appo_envs
from appo_agent.cluster.assemble import build_worker
from appo_agent.cluster.rollouts import ClusterCollector, ClusterSampler
from appo_agent.cluster.worker import Job, Method, RolloutWorker
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.build import env_maker
from appo_agent.training.config import default_config
from appo_agent.training.policy import build_policy

SIMULATED = 64
PROMPTS_PER_WORKER, ROLLOUTS = 4, 8


@dataclass(frozen=True)
class Setting:
    """What cannot be measured without the machines, as a 1.5 billion parameter policy has it.

    Attributes:
        episode_s: from an episode's first token to its last, tools included.
        at_once: episodes that a worker has under way together.
        weight_bytes: of a push, float32.
        bandwidth: bytes a second of a machine's network.
        tool_s: processor seconds of tools an episode, and `cores` of a worker's machine for them.
        learner_s: seconds of the learner for an episode (three scores and an update), on one GPU.
        updates: weight pushes a step.
        call_s: driver's seconds for a call through Ray.
    """

    episode_s: float = 20.0
    at_once: int = 64
    weight_bytes: float = 6.2e9
    bandwidth: float = 12.5e9
    tool_s: float = 0.2
    cores: int = 8
    learner_s: float = 0.05
    updates: int = 4
    call_s: float = 1e-3


class Costs(NamedTuple):
    """Measured on this machine: the driver's seconds and the bytes that pass it for an episode."""

    driver_s: float
    bytes_there: float
    bytes_back: float
    snapshot_s: float
    record_bytes: float


class Parts(NamedTuple):
    """Seconds of a step by what they wait for; the driver's lie beside the episodes, the others follow them."""

    episodes: float
    tools: float
    driver: float
    object_store: float
    learner: float

    @property
    def step(self) -> float:
        """Seconds of the step: the slowest of what runs together, then what runs alone."""
        return max(self.episodes, self.tools, self.driver) + self.object_store + self.learner


def step_of(workers: int, costs: Costs, setting: Setting, *, ranks: int) -> Parts:
    """A step in which every worker plays 64 episodes.

    Args:
        workers: one a machine.
        costs: measured.
        setting: assumed.
        ranks: GPUs of the learner.
    """
    episodes = workers * 64
    pushes = setting.updates * setting.weight_bytes / setting.bandwidth
    return Parts(
        episodes=64 / setting.at_once * setting.episode_s,
        tools=64 * setting.tool_s / setting.cores,
        driver=episodes * costs.driver_s + (setting.updates + 1) * workers * setting.call_s,
        # Machines pass weights on, so a push takes as many rounds as the number of machines has binary digits.
        object_store=pushes * max(1, int(np.ceil(np.log2(workers + 1)))),
        learner=episodes * setting.learner_s / ranks,
    )


class Limit(NamedTuple):
    """The least number of workers at which something takes longer than the episodes, and what that is."""

    workers: int
    what: str


def first_to_give_way(costs: Costs, setting: Setting, *, ranks_per_worker: float) -> Limit:
    """The limit of a setting, up to 1,000 workers."""
    for workers in range(1, 1001):
        parts = step_of(workers, costs, setting, ranks=max(1, round(workers * ranks_per_worker)))
        slowest = max(parts._asdict().items(), key=lambda item: item[1])
        if slowest[0] != "episodes":
            return Limit(workers, slowest[0])
    return Limit(1000, "nothing")


class _Recorded:
    """A pool whose workers answered before. What a driver does, packing and unpacking, it does."""

    def __init__(self, worker: RolloutWorker) -> None:
        self.worker = worker
        self.answers: list[bytes] = []
        self.there = self.back = 0
        self.recording = True

    def set_weights(self, version: int, arrays: Mapping[str, np.ndarray]) -> None:
        self.worker.set_weights(version, dict(arrays))

    def map(self, method: Method, jobs: Sequence[Job]) -> list[Any]:
        packed = [pickle.dumps(job.call) for job in jobs]
        if self.recording:
            self.there = sum(map(len, packed))
            self.answers = [pickle.dumps(self.worker.run(pickle.loads(call))) for call in packed]
            self.back = sum(map(len, self.answers))
        return [pickle.loads(answer) for answer in self.answers]

    def release(self, worker: str, numbers: Sequence[int]) -> None:
        """Simulated snapshots need no room."""


def measure() -> Costs:
    """Costs of the driver with 64 simulated workers."""
    config = default_config()
    worker = build_worker(config, None)
    make = env_maker(config.env, config.env_options)
    env = make()
    split = tool_env(env).tasks("train")
    policy = build_policy(config, tool_env(env).vocabulary)
    hands = _Recorded(worker)
    collector = ClusterCollector(hands, env, policy.tokenizer, config.sampling, episodes_per_call=32)
    sampler = ClusterSampler(hands)
    sampler.set_weights(0, policy.model.full_weights())
    tasks = [split[index] for index in range(SIMULATED * PROMPTS_PER_WORKER)]
    trees = collector.collect(tasks, ROLLOUTS, sampler, seed=0, keep_states=True)
    hands.recording = False
    start = time.process_time()
    collector.collect(tasks, ROLLOUTS, sampler, seed=0, keep_states=True)
    episodes = len(tasks) * ROLLOUTS
    driver_s = (time.process_time() - start) / episodes
    turns = [
        [(turn.action, turn.observation, turn.reward) for rollout in tree for turn in rollout.turns] for tree in trees
    ]
    record = sum(len(pickle.dumps(of_tree)) for of_tree in turns)
    collector.close()
    local = Collector(EnvPool(make), policy.tokenizer, config.sampling)
    one = local.envs.acquire()
    one.reset(seed=0)
    start = time.perf_counter()
    for _ in range(1000):
        appo_envs.snapshot(one)
    snapshot_s = (time.perf_counter() - start) / 1000
    local.close()
    return Costs(driver_s, hands.there / episodes, hands.back / episodes, snapshot_s, record / len(tasks))


def rows() -> list[Row]:
    """The driver's costs, its share of a step with 64 workers, and what gives way first."""
    costs, setting, nan = measure(), Setting(), float("nan")
    parts = step_of(SIMULATED, costs, setting, ranks=8)
    slow = replace(setting, bandwidth=setting.bandwidth / 10)
    found = {
        "learner of one GPU": first_to_give_way(costs, setting, ranks_per_worker=0.0),
        "a learner GPU to 4 workers": first_to_give_way(costs, setting, ranks_per_worker=0.25),
        "the same, 10 Gbit/s": first_to_give_way(costs, slow, ranks_per_worker=0.25),
    }
    return [
        Row("driver, an episode of a worker", costs.driver_s * 1e6, "us", "", nan, ""),
        Row("episode to a worker", costs.bytes_there / 1e3, "kB", "", nan, ""),
        Row("rollout from a worker", costs.bytes_back / 1e3, "kB", "", nan, ""),
        Row("snapshot before any tool ran", costs.snapshot_s * 1e6, "us", "", nan, ""),
        Row("tree of 8 rollouts", costs.record_bytes / 1e3, "kB", "", nan, ""),
        Row(f"driver's share of a step, {SIMULATED} workers", parts.driver / parts.step, "", "", nan, "< 0.05"),
        *(
            Row(f"workers until {end.what} gives way, {name}", end.workers, "", "", nan, "")
            for name, end in found.items()
        ),
    ]
