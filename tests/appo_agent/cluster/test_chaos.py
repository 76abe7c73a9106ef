"""A worker killed every few seconds, for as long as is asked for: every step is what it is undisturbed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from appo_agent.cluster.assemble import build_worker
from appo_agent.cluster.connect import connect, disconnect
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.rollout.branch import grow
from tests.appo_agent.cluster.hands import LocalHands, cluster_of, little_config, little_policy, seen, weights_of
from tests.appo_agent.cluster.test_rollouts import branches
from tests.appo_agent.conftest import tool_env

pytestmark = [pytest.mark.ray, pytest.mark.slow]
CONFIG = little_config(cpus_per_worker=0.25)
SECONDS = float(os.environ.get("APPO_CHAOS_SECONDS", "60"))
BETWEEN_KILLS = float(os.environ.get("APPO_CHAOS_KILL_EVERY", "10"))


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    connect(ClusterConfig(address="local", object_store_mb=80))
    yield
    disconnect()


def one_step(hands: object, version: int) -> list[object]:
    """Rollouts, other weights, branches of them: what a step asks of workers."""
    policy = little_policy(CONFIG)
    collector, sampler = cluster_of(hands, CONFIG, policy)
    sampler.set_weights(version, weights_of(policy))
    tasks = [tool_env().tasks("train")[index] for index in range(8)]
    trees = collector.collect(tasks, 8, sampler, seed=version, keep_states=True)
    sampler.set_weights(version + 1, {name: value * 1.01 for name, value in weights_of(policy).items()})
    trees = grow(trees, branches(trees)[:64], collector, sampler, seed=version, keep_states=False)
    collector.close()
    return seen(trees)


def test_steps_are_the_same_while_workers_are_killed() -> None:
    import ray

    from appo_agent.cluster.pool import WorkerPool

    home = LocalHands([build_worker(CONFIG, None)])
    pool = WorkerPool(partial(build_worker, CONFIG, None), CONFIG.cluster)
    stop = threading.Event()

    def kill_again_and_again() -> None:
        while not stop.wait(BETWEEN_KILLS):
            for actor in list(pool.actors.values())[:1]:
                ray.kill(actor)

    killer = threading.Thread(target=kill_again_and_again)
    killer.start()
    steps = 0
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            assert one_step(pool, steps) == one_step(home, steps), f"step {steps}"
            steps += 1
    finally:
        stop.set()
        killer.join()
    print(f"\n{steps} steps, {pool.figures.lost} workers lost, {pool.figures.requeued} calls given to others")
    assert steps > 2 and pool.figures.lost >= SECONDS / BETWEEN_KILLS / 2
    pool.close()
