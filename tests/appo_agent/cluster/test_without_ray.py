"""What is said where Ray is not installed, and settings that cannot be."""

from __future__ import annotations

import importlib
import socket

import pytest

from appo_agent.cluster.connect import require_listener, require_ray
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.commands.train import load_config
from appo_agent.errors import ConfigError, RunError


def test_a_machine_without_ray_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"Ray is not installed; pip install 'appo-gym\[cluster\]'"):
        require_ray()


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_said_so(scheme: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RunError, match=f"nobody answers at {address} .*refused.*--cluster local"):
            require_listener(address)


@pytest.mark.parametrize(
    ("name", "value"),
    [("workers", 0), ("episodes_per_call", 0), ("cpus_per_worker", 0.0), ("patience_s", 0.0), ("learners", -1)],
)
def test_settings_that_cannot_be_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"cluster.{name} must be"):
        ClusterConfig(**{name: value})  # pyright: ignore[reportArgumentType]


def test_a_run_spreads_only_when_told_to() -> None:
    assert load_config("quick", []).cluster == ClusterConfig()
    assert load_config("quick", ["--cluster.address", "local"]).cluster.address == "local"
