"""Ray clusters of several processes on this machine, each node with a network of its own where that is asked for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
RAY = str(Path(sys.executable).parent / "ray")
PATIENCE = {"RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "120"}
QUICK_TO_NOTICE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
"""A node that does not answer is given up after seconds; Ray's own settings take longer."""
INSIDE, OUTSIDE = "10.213.77.1", "10.213.77.2"


class Link(NamedTuple):
    """A network namespace and the end of the cable to it that is here."""

    namespace: str
    cable: str

    def cut(self) -> None:
        """Take the link down: no packet passes, and nobody is told."""
        _run("ip", "link", "set", self.cable, "down")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def network_of_its_own() -> Iterator[Link]:
    """A namespace at OUTSIDE, joined by a cable to this one at INSIDE; skips where the machine does not allow it."""
    if shutil.which("ip") is None:
        pytest.skip("needs the program ip (package iproute2)")
    link = Link(f"appo{os.getpid()}", f"appo{os.getpid()}a")
    other_end = f"appo{os.getpid()}b"
    with ExitStack() as undo:
        try:
            _run("ip", "netns", "add", link.namespace)
            undo.callback(_run, "ip", "netns", "delete", link.namespace)
            _run("ip", "link", "add", link.cable, "type", "veth", "peer", "name", other_end, "netns", link.namespace)
            undo.callback(_run, "ip", "link", "delete", link.cable)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not allowed here: {error.stderr.strip()}")
        _run("ip", "address", "add", f"{INSIDE}/30", "dev", link.cable)
        _run("ip", "link", "set", link.cable, "up")
        within = ("ip", "-n", link.namespace)
        _run(*within, "address", "add", f"{OUTSIDE}/30", "dev", other_end)
        _run(*within, "link", "set", other_end, "up")
        _run(*within, "link", "set", "lo", "up")
        yield link


@contextmanager
def node(*options: str, link: Link | None = None, settings: dict[str, str] | None = None) -> Iterator[None]:
    """A node of a cluster, `ray start` with these options; it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="appo-ray-"))
    words = [RAY, "start", "--block", "--disable-usage-stats", "--object-store-memory=80000000", *options]
    if "--head" in options:
        words += ["--include-dashboard=false", f"--temp-dir={folder}"]
    within = [] if link is None else ["ip", "netns", "exec", link.namespace]
    # Ray's client does not hand on where the driver finds modules; these tests are modules that workers need.
    environment = {**os.environ, **PATIENCE, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **(settings or {})}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*within, *words], stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        _wait_until_started(process, folder / "log")
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_started(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while "Ray runtime started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"a node did not start: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
