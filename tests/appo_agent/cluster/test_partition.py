"""A machine that the network no longer reaches: its worker is lost, its episodes are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from appo_agent.cluster.assemble import build_worker
from appo_agent.cluster.connect import connect, disconnect
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.cluster.worker import Call, RolloutWorker
from tests.appo_agent.cluster.hands import LocalHands, little_config, seen
from tests.appo_agent.cluster.nodes import (
    INSIDE,
    OUTSIDE,
    QUICK_TO_NOTICE,
    Link,
    free_port,
    network_of_its_own,
    node,
)
from tests.appo_agent.cluster.test_rollouts import drawn

pytestmark = [pytest.mark.ray, pytest.mark.slow]
CONFIG = little_config(cpus_per_worker=1.0, patience_s=120.0)


@pytest.fixture
def link() -> Iterator[Link]:
    """Two nodes of one processor each, joined by a cable, and this process as the driver on the first."""
    port = free_port()
    head = ("--head", f"--node-ip-address={INSIDE}", f"--port={port}", "--num-cpus=1")
    other = (f"--address={INSIDE}:{port}", f"--node-ip-address={OUTSIDE}", "--num-cpus=1")
    with (
        network_of_its_own() as link,
        node(*head, settings=QUICK_TO_NOTICE),
        node(*other, link=link, settings=QUICK_TO_NOTICE),
    ):
        connect(ClusterConfig(address=f"{INSIDE}:{port}"))
        yield link
        disconnect()


def slow_worker() -> RolloutWorker:
    """A worker that takes its time, so that it can be met at work."""
    worker = build_worker(CONFIG, None)
    run = worker.run

    def slowly(call: Call) -> list:
        time.sleep(1.0)
        return run(call)

    worker.run = slowly
    return worker


def test_a_machine_that_cannot_be_reached_costs_no_episode_and_changes_no_byte(link: Link) -> None:
    from appo_agent.cluster.pool import WorkerPool

    expected = seen(drawn(LocalHands([build_worker(CONFIG, None)])))
    pool = WorkerPool(slow_worker, CONFIG.cluster)
    deadline = time.monotonic() + 120
    while len(pool.workers) < 2:
        assert time.monotonic() < deadline, f"{len(pool.workers)} of 2 workers came up"
        time.sleep(0.1)
    cut = threading.Timer(0.5, link.cut)
    # In the middle of the branches, some of which fork from snapshots that lie behind the cut.
    started = time.monotonic()
    found = drawn(pool, between=cut.start)
    print(f"\n{time.monotonic() - started:.1f} s, {pool.figures}")
    cut.join()
    assert seen(found) == expected
    assert pool.figures.lost == 1 and pool.figures.requeued >= 1
    assert len(pool.workers) == 1
    pool.close()
