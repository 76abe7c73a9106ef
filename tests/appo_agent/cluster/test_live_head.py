"""A cluster that was there before the run: joined at its address, directly or through Ray's client."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from appo_agent.cluster.assemble import build_worker
from appo_agent.cluster.connect import connect, disconnect
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.errors import RunError
from tests.appo_agent.cluster.hands import LocalHands, seen
from tests.appo_agent.cluster.nodes import free_port, node
from tests.appo_agent.cluster.test_pool import CONFIG, kill_soon, pool_of, slow_worker, wait_for
from tests.appo_agent.cluster.test_rollouts import drawn

pytestmark = pytest.mark.ray


class Head(NamedTuple):
    """Ports of 127.0.0.1 where a cluster listens."""

    direct: int
    client: int


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    ports = Head(free_port(), free_port())
    options = (f"--port={ports.direct}", f"--ray-client-server-port={ports.client}", "--num-cpus=2")
    with node("--head", "--node-ip-address=127.0.0.1", *options):
        yield ports


@pytest.mark.parametrize("way", ["direct", "client"])
def test_episodes_on_a_live_cluster_are_the_same_when_a_worker_dies(head: Head, way: str) -> None:
    expected = seen(drawn(LocalHands([build_worker(CONFIG, None)])))
    connect(ClusterConfig(address=f"127.0.0.1:{head.direct}" if way == "direct" else f"ray://127.0.0.1:{head.client}"))
    try:
        pool = pool_of(slow_worker)
        wait_for(pool, 2)
        found = drawn(pool, between=lambda: kill_soon(pool, 0.2))
        assert seen(found) == expected
        assert pool.figures.lost == 1
        pool.close()
    finally:
        disconnect()


def test_a_cluster_that_lets_nobody_in_is_told_apart_from_one_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    def refuse(**settings: object) -> None:
        raise ConnectionError("Failed to connect")

    monkeypatch.setattr(ray, "init", refuse)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(RunError, match=f"{address} does not let this process in .*RAY_AUTH_MODE=token"):
            connect(ClusterConfig(address=address))
    with pytest.raises(RunError, match="nobody answers at auto"):
        connect(ClusterConfig(address="auto"))
