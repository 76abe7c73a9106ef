"""The arithmetic of the capacity plan, by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "performance"


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    """The benchmark, which is a script of its folder."""
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("scale", FOLDER / "scale.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["scale"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(FOLDER))


def test_a_step_is_the_slowest_of_what_runs_together_and_what_runs_alone(scale: ModuleType) -> None:
    costs = scale.Costs(driver_s=1e-4, bytes_there=0, bytes_back=0, snapshot_s=0, record_bytes=0)
    setting = scale.Setting(episode_s=10, at_once=32, weight_bytes=1e9, bandwidth=1e9, tool_s=0.5, cores=8)
    parts = scale.step_of(3, costs, setting, ranks=2)
    # 64 episodes, 32 at once, of 10 s; tools 64 * 0.5 / 8; 192 episodes by the driver and 5 calls to 3 workers;
    # 4 pushes of 1 s to 3 machines in 2 rounds; 192 * 0.05 s by 2 GPUs.
    assert tuple(parts) == pytest.approx((20, 4, 0.0192 + 0.015, 8, 4.8))
    assert parts.step == pytest.approx(20 + 8 + 4.8)


def test_what_gives_way_first_is_named(scale: ModuleType) -> None:
    costs = scale.Costs(driver_s=1e-4, bytes_there=0, bytes_back=0, snapshot_s=0, record_bytes=0)
    learner = scale.first_to_give_way(costs, scale.Setting(weight_bytes=0), ranks_per_worker=0)
    # 64 * 0.05 s a worker against 20 s of episodes.
    assert learner == (7, "learner")
    driver = scale.first_to_give_way(costs._replace(driver_s=0.01), scale.Setting(weight_bytes=0), ranks_per_worker=1)
    assert driver == (32, "driver")
    assert scale.first_to_give_way(costs, scale.Setting(weight_bytes=0), ranks_per_worker=1) == (1000, "nothing")
