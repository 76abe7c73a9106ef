"""Machines that cannot isolate sessions skip the tests that need it, and say what is missing."""

from __future__ import annotations

import pathlib
import sys

import pytest

from appo_envs.tools.python import PythonSettings
from appo_envs.tools.python.sandbox.isolation.features import DEFAULT_FLOOR

from .surroundings import PLAIN, PORTABLE, SMALL, need

_WITHOUT_ISOLATION = ("test_session", "test_wire", "test_parts", "test_system")
_CHOOSE_THEMSELVES = {"plain", "everywhere"}


def _need_isolation() -> None:
    if sys.platform != "linux":
        pytest.skip("isolation needs Linux")
    for alternatives in DEFAULT_FLOOR:
        need(alternatives)


@pytest.fixture(autouse=True)
def isolation_is_possible(request: pytest.FixtureRequest) -> None:
    """Skip below the default floor; single features are asked for by the tests themselves."""
    without = pathlib.Path(request.path).stem in _WITHOUT_ISOLATION
    if not without and not _CHOOSE_THEMSELVES & set(request.fixturenames):
        _need_isolation()


@pytest.fixture(params=["linux", "posix"])
def plain(request: pytest.FixtureRequest) -> PythonSettings:
    """Settings without isolation, in the ways of Linux and in those of any POSIX system."""
    if request.param == "linux" and sys.platform != "linux":
        pytest.skip("needs Linux")
    return PLAIN if request.param == "linux" else PORTABLE


@pytest.fixture(params=["isolated", "posix"])
def everywhere(request: pytest.FixtureRequest) -> PythonSettings:
    """Settings with isolation, and those that work on any POSIX system."""
    if request.param == "isolated":
        _need_isolation()
        return SMALL
    return PORTABLE
