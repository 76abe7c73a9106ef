"""Workers on Ray: whoever dies, comes, goes or is refused, no episode is lost and the results stay the same."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from appo_agent.cluster.assemble import build_worker
from appo_agent.cluster.connect import connect, disconnect, require_ray
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.cluster.worker import Call, Job, RolloutWorker
from appo_agent.errors import ConfigError, RunError
from appo_agent.policies.base import StaleWeightsError
from tests.appo_agent.cluster.hands import LocalHands, little_config, little_policy, seen, weights_of
from tests.appo_agent.cluster.test_rollouts import drawn

pytestmark = pytest.mark.ray
CONFIG = little_config()


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    connect(ClusterConfig(address="local", object_store_mb=80))
    yield
    disconnect()


@pytest.fixture(scope="module")
def expected() -> list[Any]:
    return seen(drawn(LocalHands([build_worker(CONFIG, None)])))


def slow_worker() -> RolloutWorker:
    """A worker that takes its time, so that it can be met at work."""
    worker = build_worker(CONFIG, None)
    run = worker.run

    def slowly(call: Call) -> list:
        time.sleep(0.5)
        return run(call)

    worker.run = slowly
    return worker


def pool_of(make: Any = None, **cluster: Any) -> Any:
    from appo_agent.cluster.pool import WorkerPool

    settings = little_config(**{"cpus_per_worker": 0.25, "patience_s": 60.0, **cluster})
    return WorkerPool(make or partial(build_worker, CONFIG, None), settings.cluster)


def wait_for(pool: Any, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(pool.workers) < count:
        assert time.monotonic() < deadline, f"{len(pool.workers)} of {count} workers came up"
        time.sleep(0.1)


def kill_soon(pool: Any, after: float) -> threading.Thread:
    import ray

    def kill() -> None:
        time.sleep(after)
        ray.kill(next(iter(pool.actors.values())))

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_killed_worker_costs_no_episode_and_changes_no_byte(expected: list[Any]) -> None:
    pool = pool_of(slow_worker)
    wait_for(pool, 2)
    threads = [kill_soon(pool, 0.7)]
    # The second is killed after the first round: its snapshots are gone, and branches replay.
    found = drawn(pool, between=lambda: threads.append(kill_soon(pool, 0.2)))
    for thread in threads:
        thread.join()
    assert seen(found) == expected
    assert pool.figures.lost == 2 and pool.figures.requeued >= 1
    wait_for(pool, 2)
    pool.close()


def test_workers_join_and_leave_while_episodes_run(expected: list[Any]) -> None:
    pool = pool_of(slow_worker, workers=1)

    def join() -> None:
        pool.resize(3)
        wait_for(pool, 3)

    assert seen(drawn(pool, between=join)) == expected
    pool.resize(1)
    assert len(pool.workers) == 1 and pool.figures.lost == 0
    pool.close()


def test_a_push_that_did_not_arrive_is_noticed_and_repeated() -> None:
    import ray

    pool = pool_of(workers=1)
    wait_for(pool, 1)
    arrays = {name: value.numpy() for name, value in weights_of(little_policy(CONFIG)).items()}
    pool.set_weights(4, arrays)
    [actor] = pool.actors.values()
    ray.get(actor.set_weights.remote(3, arrays))
    with pytest.raises(StaleWeightsError, match="holds weights 3, the call wants 4"):
        ray.get(actor.run.remote(Call(1, 4)))
    assert pool.map("run", [Job(Call(1, 4), None)]) == [[]]
    assert pool.figures.requeued == 1
    pool.close()


def other_packages() -> RolloutWorker:
    worker = build_worker(CONFIG, None)
    packages = tuple((name, "1.2.3" if name == "numpy" else version) for name, version in worker.facts.packages)
    worker.facts = worker.facts._replace(packages=packages)
    return worker


def no_environment() -> RolloutWorker:
    raise ConfigError("env: no such environment here")


@pytest.mark.parametrize(
    ("make", "message"),
    [(other_packages, r"worker \w+ on .+ has numpy 1\.2\.3 where the driver has"), (no_environment, "no such env")],
)
def test_workers_that_are_not_like_the_driver_are_refused_by_name(make: Any, message: str) -> None:
    pool = pool_of(make)
    with pytest.raises(ConfigError, match=message):
        pool.map("run", [Job(Call(1, 0), None)])
    pool.close()


def broken_call() -> RolloutWorker:
    worker = build_worker(CONFIG, None)

    def die(call: Call) -> list:
        import os

        os._exit(1)

    worker.run = die
    return worker


def test_workers_that_all_die_end_the_run() -> None:
    pool = pool_of(broken_call, workers=1)
    pool.set_weights(0, {name: value.numpy() for name, value in weights_of(little_policy(CONFIG)).items()})
    with pytest.raises(RunError, match="workers were lost without one call answered"):
        pool.map("run", [Job(Call(1, 0), None)])
    pool.close()


def test_a_cluster_without_room_is_said_so() -> None:
    pool = pool_of(cpus_per_worker=10_000.0, patience_s=3.0)
    with pytest.raises(RunError, match="no rollout worker came up for 3 s; 2 are asked for, each with 10000 proc"):
        pool.map("run", [Job(Call(1, 0), None)])
    pool.close()


def test_weights_that_the_object_store_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray
    from ray.exceptions import ObjectStoreFullError

    def full(value: object) -> None:
        raise ObjectStoreFullError("full")

    pool = pool_of(workers=1)
    # A store that is full spills to disk first; a disk that is full too is not for tests.
    monkeypatch.setattr(ray, "put", full)
    with pytest.raises(RunError, match=r"no room for weights of 1 MiB.*object_store_mb"):
        pool.set_weights(1, {"w": np.zeros(2**18, np.float32)})
    pool.close()


def test_versions_of_ray_that_nobody_tried_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    for version in ("2.49.1", "3.0.0"):
        monkeypatch.setattr(importlib, "import_module", lambda name, v=version: SimpleNamespace(__version__=v))
        with pytest.raises(ConfigError, match=f"Ray {version} is not known to work; expected 2.50 or newer"):
            require_ray()


def burdened_worker() -> RolloutWorker:
    """A worker that is sent more than its policy needs, and leaves that out."""
    worker = build_worker(CONFIG, None)
    take = worker.set_weights
    worker.set_weights = lambda version, arrays: take(version, {n: v for n, v in arrays.items() if n != "ballast"})
    return worker


def test_weights_that_are_pushed_again_and_again_do_not_fill_the_store() -> None:
    import ray
    from ray._private.internal_api import memory_summary

    pool = pool_of(burdened_worker, workers=1)
    wait_for(pool, 1)
    arrays = {name: value.numpy() for name, value in weights_of(little_policy(CONFIG)).items()}
    # Twelve pushes of 20 MiB through a store of 80: those that came before make room, or go to disk.
    arrays["ballast"] = np.zeros(5 * 2**20, np.float32)
    for version in range(12):
        pool.set_weights(version, arrays)
        assert pool.map("run", [Job(Call(1, version), None)]) == [[]]
    summary = memory_summary(ray.get_runtime_context().gcs_address, stats_only=True)
    # Freed memory is taken back when it is wanted: what counts is what somebody still holds.
    needed = re.search(r"([\d.]+)% needed", summary)
    assert needed is not None and float(needed[1]) < 60, summary
    assert "Spilled" not in summary
    pool.close()
