"""A machine without user namespaces: its sessions go without, or its worker is refused by name."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest

from appo_agent.cluster.assemble import build_worker
from appo_agent.errors import ConfigError
from tests.appo_agent.cluster.hands import little_config

pytestmark = pytest.mark.ray
MATH = "appo/MathPython-v0"
STRICT = "tests.appo_agent.cluster.strict_python:appo-tests/StrictPython-v0"
# In a user namespace of its own a process may allow itself one more, in which it is an ordinary user, and none there.
WITHOUT = (
    "echo 1 > /proc/sys/user/max_user_namespaces && "
    'exec unshare --user --map-user=1000 "$0" -m tests.appo_agent.cluster.test_isolation "$1"'
)


def describe(env: str) -> str:
    """What the pool hears from a worker with this environment: what its sessions go without, or why it is none."""
    from appo_agent.cluster.pool import _Actor

    config = replace(little_config(), env=env, env_options=())
    try:
        return f"without {' '.join(_Actor(partial(build_worker, config, None)).facts().degraded)}"
    except ConfigError as error:
        return f"refused: {error}"


def described_without_user_namespaces(env: str) -> str:
    if shutil.which("unshare") is None:
        pytest.skip("needs the program unshare (package util-linux)")
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", WITHOUT, sys.executable, env]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if "unshare" in done.stderr or "max_user_namespaces" in done.stderr:
        pytest.skip(f"user namespaces cannot be switched off here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_sessions_of_a_worker_go_without_user_namespaces_where_there_are_none() -> None:
    missing = described_without_user_namespaces(MATH).removeprefix("without ").split()
    assert {"userns", "mnt", "pid", "net"} <= set(missing)
    assert not {"seccomp", "landlock"} & set(missing)


def test_a_worker_whose_environment_insists_on_them_is_refused_by_name() -> None:
    said = described_without_user_namespaces(STRICT)
    assert said.startswith(f"refused: a worker cannot be made on {platform.node()}: IsolationError: ")
    assert "this machine does not offer userns" in said


if __name__ == "__main__":
    print(describe(sys.argv[1]))
