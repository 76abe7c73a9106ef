"""Rollout plans add up, and algorithms are found by name."""

import ast
from pathlib import Path
from typing import get_args

import pytest

import appo_agent
from appo_agent.algorithms.advantages import ESTIMATORS, Estimator
from appo_agent.algorithms.branching import CRITERIA
from appo_agent.algorithms.losses import LOSSES
from appo_agent.algorithms.plan import RolloutPlan
from appo_agent.algorithms.registry import ALGORITHMS, algorithm


@pytest.mark.parametrize(
    ("rollouts", "initial", "branches", "loops", "sources"),
    [(16, 4, 3, 1, 4), (16, 8, 1, 1, 8), (16, 2, 7, 1, 2), (16, 4, 1, 3, 4), (16, 4, 2, 3, 2), (8, 8, 3, 1, 0)],
)
def test_plans_add_up(rollouts: int, initial: int, branches: int, loops: int, sources: int) -> None:
    plan = RolloutPlan(rollouts=rollouts, initial=initial, branches=branches, loops=loops)
    assert plan.sources == sources
    assert plan.initial + plan.loops * plan.sources * plan.branches == plan.rollouts


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rollouts": 15}, "cannot share evenly"),
        ({"initial": 17}, "cannot exceed rollouts"),
        ({"initial": 2, "branches": 1}, "only 2 rollouts exist"),
        ({"rollouts": 0}, "rollouts must be at least 1, got 0"),
        ({"initial": 0}, "initial must be at least 1, got 0"),
        ({"branches": 0}, "branches must be at least 1"),
        ({"loops": -1}, "loops must be at least 1, got -1"),
        ({"omega_clip": (0.0, 1.2)}, "omega_clip must satisfy"),
        ({"omega_clip": (0.8, 0.9)}, "omega_clip must satisfy"),
        ({"omega_clip": (1.1, 1.2)}, "omega_clip must satisfy"),
    ],
)
def test_impossible_plans_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RolloutPlan(**settings)


def test_the_published_settings_of_appo() -> None:
    appo = algorithm("appo")
    assert (appo.plan.rollouts, appo.plan.initial, appo.plan.branches, appo.plan.loops) == (16, 4, 3, 1)
    assert appo.plan.omega_clip == (0.8, 1.2) and appo.plan.rule == "strict" and appo.plan.cold_start == "entropy"
    assert appo.advantage.estimator == "equation" and not appo.advantage.train_branches
    assert appo.advantage.future_weight == 0.5 and appo.advantage.future_clip == (1.0, 1.2)
    assert (appo.loss.clip_low, appo.loss.clip_high, appo.loss.kl_weight) == (0.2, 0.28, 0.0)
    assert appo.future.half_life == 32 and appo.future.distance == "action"


def test_algorithms_without_branches() -> None:
    for name in ("grpo", "fipo"):
        assert algorithm(name).plan.sources == 0 and algorithm(name).advantage.estimator == "single"
    assert algorithm("grpo").advantage.future_weight == 0 and algorithm("fipo").advantage.future_weight == 0.5


def test_names_and_keys_agree_and_a_wrong_name_gets_the_nearest() -> None:
    assert all(name == entry.name and entry.summary for name, entry in ALGORITHMS.items())
    with pytest.raises(ValueError, match="no algorithm 'gpro'; did you mean 'grpo'"):
        algorithm("gpro")
    with pytest.raises(ValueError, match=r"no algorithm 'zzzz' \(there are appo, grpo, fipo\)"):
        algorithm("zzzz")


def test_every_registered_part_of_every_algorithm_exists() -> None:
    for entry in ALGORITHMS.values():
        assert entry.advantage.estimator in ESTIMATORS
        assert entry.plan.criterion in CRITERIA
        assert entry.loss.kind in LOSSES
    assert set(ESTIMATORS) == set(get_args(Estimator))


def test_only_one_file_shifts_logits() -> None:
    # The shift by one is where implementations go wrong: gather and log_softmax over a vocabulary live in one file.
    shifting = []
    for path in sorted(Path(appo_agent.__path__[0]).rglob("*.py")):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if "log_softmax" in names:
            shifting.append(path.name)
    # Drawing turns logits into probabilities too, but of the next token, where there is nothing to shift.
    assert shifting == ["logprobs.py", "drawing.py"]
