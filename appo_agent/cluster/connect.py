"""Joining a Ray cluster, or starting one on this machine; what can go wrong is said in a line.

Owns the versions of Ray that are known to work and the words of its refusals.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import socket
from typing import TYPE_CHECKING

from appo_agent.cluster.settings import AUTO, LOCAL, ClusterConfig
from appo_agent.errors import ConfigError, RunError
from appo_agent.extras import install_line

if TYPE_CHECKING:
    from types import ModuleType

OLDEST, BEFORE = (2, 50), (3, 0)
"""Versions of Ray that this package is for: OLDEST <= version < BEFORE."""
TESTED = "2.60"


def require_ray() -> ModuleType:
    """Ray, if it is there and of a known version.

    Raises:
        ConfigError: it is not installed, or its version is unknown to us.
    """
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError(f"cluster.address: Ray is not installed; {install_line('cluster')}") from error
    major, minor = (int(part) for part in ray.__version__.split(".")[:2])
    if not OLDEST <= (major, minor) < BEFORE:
        raise ConfigError(
            f"cluster.address: Ray {ray.__version__} is not known to work; expected {OLDEST[0]}.{OLDEST[1]} or newer "
            f"and below {BEFORE[0]} (tested with {TESTED}); {install_line('cluster')}"
        )
    return ray


def connect(config: ClusterConfig) -> None:
    """Join or start the cluster, unless this process is in one already.

    Raises:
        ConfigError: Ray is missing, of an unknown version, or of another version than the cluster's.
        RunError: nobody answers at the address, or does not let this process in.
    """
    ray = require_ray()
    if ray.is_initialized():
        return
    # Workers import this package from where the driver has it; nothing is uploaded.
    quiet = {"logging_level": logging.WARNING, "log_to_driver": False}
    if config.address == LOCAL:
        store = config.object_store_mb * 2**20 or None
        cpus = max(os.cpu_count() or 1, math.ceil(config.workers * config.cpus_per_worker) + config.learners)
        # Processors are counted, not pinned: a little machine may run more workers than it has of them.
        ray.init(num_cpus=cpus, object_store_memory=store, include_dashboard=False, **quiet)
        return
    require_listener(config.address)
    try:
        ray.init(address=config.address, **quiet)
    except (ConnectionError, TimeoutError, ValueError) as error:
        # At a port somebody listens; "auto" finds a cluster of this machine or none.
        refusal = _unreachable if config.address == AUTO else _shut_out
        raise refusal(config.address, error) from error
    except RuntimeError as error:
        raise ConfigError(
            f"cluster.address: {config.address} refuses this process ({_gist(error)}); Ray and Python must be of "
            "the same version everywhere"
        ) from error


def require_listener(address: str) -> None:
    """See that somebody listens at an address that names a port; Ray itself tries for minutes.

    Raises:
        RunError: nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> RunError:
    return RunError(
        f"cluster.address: nobody answers at {address} ({_gist(error)}); start the cluster with `ray start "
        "--head`, or see `ray status` there; --cluster local starts one on this machine"
    )


def _shut_out(address: str, error: Exception) -> RunError:
    # Ray says of a wrong token only that it could not connect.
    return RunError(
        f"cluster.address: {address} does not let this process in ({_gist(error)}); see `ray status` there. If "
        "the cluster asks for a token, set RAY_AUTH_MODE=token here too, and RAY_AUTH_TOKEN to what `ray "
        "get-auth-token` prints on its head"
    )


def disconnect() -> None:
    """Leave the cluster; one that `connect` started here ends."""
    require_ray().shutdown()


def _gist(error: Exception) -> str:
    """The first line, and the last of a traceback that came with it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(dict.fromkeys((lines[0], lines[-1])))
