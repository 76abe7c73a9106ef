"""The performance rows of branching: the peer computes the same numbers, and the rows say what was measured."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

torch = pytest.importorskip("torch")

FOLDER = Path(__file__).parents[2] / "benchmarks" / "performance"


@pytest.fixture
def branching(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module at sizes that take no time."""
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        module = importlib.import_module("branching")
        for name, size in {"ROWS": 8, "LENGTH": 64, "SHORT": 16, "REPEATS": 2}.items():
            patch.setattr(module, name, size)
        yield module


def test_the_peer_computes_the_same_future_value(branching: ModuleType) -> None:
    log_ratio = torch.randn(40, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, 40, dtype=torch.bool)
    ours = branching.log_future_value(log_ratio[None], mask, gamma=branching.GAMMA)[0]
    torch.testing.assert_close(branching._quadratic(log_ratio), ours, atol=1e-5, rtol=1e-4)


def test_ratios_belong_to_the_measured_figures(branching: ModuleType) -> None:
    against, forward, growth = branching.rows()
    assert against.value == forward.value == growth.value > 0
    assert against.ratio > 0 and forward.ratio > 0 and growth.ratio > 0
    assert "scaled from 3 rows" in against.peer
