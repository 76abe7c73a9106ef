"""Rollout plans add up, and algorithms are found by name."""

import ast
import importlib
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

import appo_agent
from appo_agent.algorithms.advantages import ESTIMATORS
from appo_agent.algorithms.algorithm import Algorithm
from appo_agent.algorithms.branching import CRITERIA
from appo_agent.algorithms.losses import LOSSES
from appo_agent.algorithms.plan import (
    Criterion,
    EntropyBranches,
    Independent,
    RolloutPlan,
    ScoreBranches,
    TurnTrees,
    TurnValues,
)
from appo_agent.algorithms.registry import ALGORITHMS, algorithm


@pytest.mark.parametrize(
    ("rollouts", "initial", "branches", "loops", "sources"),
    [(16, 4, 3, 1, 4), (16, 8, 1, 1, 8), (16, 2, 7, 1, 2), (16, 4, 1, 3, 4), (16, 4, 2, 3, 2), (8, 8, 3, 1, 0)],
)
def test_plans_add_up(rollouts: int, initial: int, branches: int, loops: int, sources: int) -> None:
    plan = ScoreBranches(rollouts=rollouts, initial=initial, branches=branches, loops=loops)
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
        ScoreBranches(**settings)


@pytest.mark.parametrize(
    ("plan", "settings", "message"),
    [
        (Independent, {"rollouts": 0}, "rollouts must be at least 1, got 0"),
        (Independent, {"redraws": -1}, "redraws must be at least 0, got -1"),
        (EntropyBranches, {"initial": 17}, r"initial \(17\) cannot exceed rollouts \(16\)"),
        (EntropyBranches, {"beam": 1}, "beam must be at least 2, got 1"),
        (EntropyBranches, {"window": 0}, "window must be at least 1"),
        (EntropyBranches, {"probability": 1.5}, r"probability must be in \[0, 1\], got 1.5"),
        (TurnTrees, {"trees": 0}, "trees must be at least 1"),
        (TurnTrees, {"trees": 3}, "rollouts is 16, but 3 trees with 1 rounds of 3 expansions have 12 leaves"),
        (TurnValues, {"continuations": 0}, "continuations must be at least 1, got 0"),
    ],
)
def test_impossible_plans_of_rivals_are_refused_with_their_numbers(
    plan: Callable[..., RolloutPlan], settings: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plan(**settings)


@pytest.mark.parametrize(
    ("plan", "first", "keeps_states", "sources"),
    [
        (Independent(8, redraws=1), 8, False, 0),
        (ScoreBranches(), 4, True, 4),
        (ScoreBranches(8, 8), 8, False, 0),
        (EntropyBranches(), 8, True, 0),
        (TurnTrees(), 4, True, 0),
        (TurnValues(), 4, True, 0),
    ],
)
def test_plans_say_what_the_loop_needs_to_know(plan: RolloutPlan, first: int, keeps_states: bool, sources: int) -> None:
    assert (plan.first, plan.keeps_states, plan.sources) == (first, keeps_states, sources)
    assert plan.first <= plan.rollouts and plan.most_redraws == (1 if isinstance(plan, Independent) else 0)


def test_the_published_settings_of_appo() -> None:
    appo = algorithm("appo")
    assert isinstance(appo.plan, ScoreBranches)
    assert (appo.plan.rollouts, appo.plan.initial, appo.plan.branches, appo.plan.loops) == (16, 4, 3, 1)
    assert appo.plan.omega_clip == (0.8, 1.2) and appo.plan.rule == "strict" and appo.plan.cold_start == "entropy"
    assert appo.advantage.estimator == "equation" and not appo.advantage.train_branches
    assert appo.advantage.future_weight == 0.5 and appo.advantage.future_clip == (1.0, 1.2)
    assert (appo.loss.clip_low, appo.loss.clip_high, appo.loss.kl_weight) == (0.2, 0.28, 0.0)
    assert appo.future.half_life == 32 and appo.future.distance == "action"


def test_algorithms_without_branches() -> None:
    for name in ("grpo", "dapo", "gspo", "cispo", "gppo", "fipo"):
        assert algorithm(name).plan.sources == 0 and algorithm(name).advantage.estimator == "single"
    assert algorithm("grpo").advantage.future_weight == 0 and algorithm("fipo").advantage.future_weight == 0.5


def test_names_and_keys_agree_and_a_wrong_name_gets_the_nearest() -> None:
    assert all(name == entry.name and entry.summary for name, entry in ALGORITHMS.items())
    with pytest.raises(ValueError, match="no algorithm 'gigrpo'; did you mean 'gigpo'"):
        algorithm("gigrpo")
    with pytest.raises(ValueError, match=r"no algorithm 'zzzz' \(there are appo, grpo, dr_grpo, .*, tree_grpo\)"):
        algorithm("zzzz")


def test_every_registered_part_of_every_algorithm_exists() -> None:
    for entry in ALGORITHMS.values():
        assert entry.advantage.estimator in ESTIMATORS
        assert entry.loss.kind in LOSSES
    assert set(CRITERIA) == set(get_args(Criterion))


def test_every_estimator_and_every_loss_is_some_algorithms_or_a_reading() -> None:
    used = {entry.advantage.estimator for entry in ALGORITHMS.values()}
    assert set(ESTIMATORS) - used == {"prefix", "contrast", "path_mean", "shared_states"}
    assert set(LOSSES) == {entry.loss.kind for entry in ALGORITHMS.values()}


@pytest.mark.parametrize("entry", ALGORITHMS.values(), ids=ALGORITHMS)
def test_every_algorithm_names_its_source_and_the_settings_that_a_reader_can_change(entry: Algorithm) -> None:
    module = importlib.import_module(f"appo_agent.algorithms.{entry.name}")
    assert re.search(r"arXiv \d{4}\.\d{5}", module.__doc__ or "")
    for group, setting in re.findall(r"`(plan|advantage|loss|future)\.(\w+)", module.__doc__ or ""):
        assert setting in {field.name for field in fields(getattr(entry, group))}, setting


def test_only_one_file_shifts_logits() -> None:
    # The shift by one is where implementations go wrong: gather and log_softmax over a vocabulary live in one file.
    shifting = []
    for path in sorted(Path(appo_agent.__path__[0]).rglob("*.py")):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if "log_softmax" in names:
            shifting.append(path.name)
    # Drawing turns logits into probabilities too, but of the next token, where there is nothing to shift.
    assert shifting == ["logprobs.py", "drawing.py"]
