"""Machines that cannot isolate sessions skip the tests that need it, and say what is missing."""

from __future__ import annotations

import pathlib
import sys

import pytest

from appo_envs.tools.python.sandbox.isolation.features import DEFAULT_FLOOR

from .surroundings import need

_WITHOUT_ISOLATION = ("test_session", "test_wire", "test_parts")


@pytest.fixture(autouse=True)
def isolation_is_possible(request: pytest.FixtureRequest) -> None:
    """Skip below the default floor; single features are asked for by the tests themselves."""
    if sys.platform != "linux":
        pytest.skip("Python sessions need Linux")
    if pathlib.Path(request.path).stem not in _WITHOUT_ISOLATION:
        for alternatives in DEFAULT_FLOOR:
            need(alternatives)
