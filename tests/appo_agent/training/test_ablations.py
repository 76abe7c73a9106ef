"""Every ablation of the algorithms is reachable by settings alone, and takes a training step on the tiny policy."""

import math
from typing import get_args

import pytest
import torch

from appo_agent.algorithms.advantages import ESTIMATORS
from appo_agent.algorithms.losses import LOSSES, Aggregation
from appo_agent.algorithms.plan import ColdStart, Criterion, Rule, ScoreBranches
from appo_agent.algorithms.registry import ALGORITHMS
from appo_agent.commands.parse import parse_config
from appo_agent.errors import ConfigError
from appo_agent.training.build import Agent, build_agent
from appo_agent.training.config import TrainConfig
from appo_agent.training.run import env_tasks
from appo_agent.training.task_stream import TaskStream
from appo_agent.training.trainer import StepResult, Trainer
from tests.appo_agent.training.conftest import cold_start, small_config

APPO = {
    **{f"{name} for BS": f"--plan.criterion {name}" for name in get_args(Criterion)},
    **{f"rule {name}": f"--plan.rule {name}" for name in get_args(Rule)},
    **{f"cold start {name}": f"--plan.cold-start {name}" for name in get_args(ColdStart)},
    **{
        f"reading {name}": f"--advantage.estimator {name}"
        for name in ("equation", "prefix", "contrast", "path_mean", "shared_states")
    },
    "single group": "--advantage.estimator single",
    "no A_fut": "--advantage.future-aware False",
    "no factor": "--advantage.future-weight 0",
    "L = 2": "--plan.loops 2 --plan.branches 1",
    "N = 3, B = 1": "--plan.initial 3 --plan.branches 1",
    "N = M": "--plan.initial 6",
    "train_branches": "--advantage.train-branches True",
    "train_branches with path_mean": "--advantage.train-branches True --advantage.estimator path_mean",
    "distance in positions": "--future.distance position",
    "the public code's caps": "--future.drop-ratio-above 3 --advantage.cap-negative-ratio-above 6 --loss.dual-clip 3",
}
RIVALS = {
    "ARPO hard": ("arpo", "--advantage.estimator path_mean"),
    "ARPO, first rollouts alone trained": ("arpo", "--advantage.train-prefix False --advantage.train-branches False"),
    "ARPO without entropy": ("arpo", "--plan.entropy-weight 0"),
    "REINFORCE++ with the baseline": ("reinforce_pp", "--advantage.estimator single"),
    "DAPO without dynamic sampling": ("dapo", "--plan.redraws 0"),
    "DAPO without overlong shaping": ("dapo", "--advantage.overlong-buffer 0"),
    "FIPO as its source": ("fipo", "--advantage.future-offset 0 --advantage.future-weight 1"),
    "GiGPO without std": ("gigpo", "--advantage.scale-by-std False"),
    "VinePPO whitened": ("vineppo", "--advantage.batch-normalized True"),
    "Tree-GRPO in two rounds": ("tree_grpo", "--plan.rounds 2 --plan.expansions 1"),
    "GRPO with one more rollout": ("grpo", "--plan.rollouts 5"),
    **{f"GRPO, {name}": ("grpo", f"--loss.aggregation {name}") for name in get_args(Aggregation)},
    **{f"GRPO with {name}": ("grpo", f"--loss.kind {name}") for name in LOSSES},
    **{f"APPO with {name}": ("appo", f"--loss.kind {name}") for name in LOSSES},
}
CASES = {**{name: ("appo", flags) for name, flags in APPO.items()}, **RIVALS}


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Of a policy that writes tags, so that episodes have several turns and rewards differ."""
    agent = build_agent(small_config())
    cold_start(agent, small_config(), 100)
    return {name: value.clone() for name, value in agent.learner.tensors().items() if name.startswith("policy.")}


def settings(name: str, flags: str) -> TrainConfig:
    return parse_config(TrainConfig, small_config(name), flags.split())


def step(config: TrainConfig, weights: dict[str, torch.Tensor]) -> tuple[StepResult, Agent]:
    agent = build_agent(config)
    agent.learner._load({name.removeprefix("policy."): value for name, value in weights.items()})
    agent.push_weights()
    trainer = Trainer(config, agent.collector, agent.sampler, agent.learner)
    stream = TaskStream(env_tasks(agent, "train"), 7)
    needed = config.prompts_per_step * config.plan.most_redraws
    count = config.prompts_per_step
    return trainer.step(stream.take(0, count), 0, stream.take(count, needed)), agent


@pytest.mark.parametrize("case", CASES)
def test_an_ablation_takes_a_step(case: str, weights: dict[str, torch.Tensor]) -> None:
    name, flags = CASES[case]
    result, agent = step(settings(name, flags), weights)
    assert result.metrics["train/updates"] == agent.learner.version == 2
    assert all(math.isfinite(value) for value in result.metrics.values())
    assert all(bool(value.isfinite().all()) for value in agent.learner.weights().values())


def test_the_ablations_of_the_branching_score_choose_different_tokens(weights: dict[str, torch.Tensor]) -> None:
    chosen = {}
    for criterion in get_args(Criterion):
        result, _ = step(settings("appo", f"--plan.criterion {criterion}"), weights)
        chosen[criterion] = {
            (index, branch.origin.parent, branch.origin.turn, branch.origin.token)
            for index, tree in enumerate(result.trees)
            for branch in tree.branches
            if branch.origin is not None
        }
    assert len({frozenset(points) for points in chosen.values()}) >= len(chosen) - 1
    assert all(token == 0 and turn > 0 for _, _, turn, token in chosen["tool_boundary"])


def test_tool_boundaries_that_do_not_exist_are_budget_that_stays_unspent(weights: dict[str, torch.Tensor]) -> None:
    # Rollouts of one turn: an episode that may hold no second one.
    config = settings("appo", "--plan.criterion tool_boundary --sampling.max-rollout-tokens 12")
    result, _ = step(config, weights)
    assert all(len(rollout.turns) == 1 for tree in result.trees for rollout in tree)
    assert isinstance(config.plan, ScoreBranches)
    # Two sources a prompt with two branches each, four prompts.
    assert result.metrics["branching/branches"] == 0 and result.metrics["branching/unspent"] == 4 * 2 * 2


@pytest.mark.parametrize("name", ALGORITHMS)
def test_branches_are_counted_whatever_rule_placed_them(name: str, weights: dict[str, torch.Tensor]) -> None:
    result, _ = step(settings(name, ""), weights)
    drawn = sum(len(tree.branches) for tree in result.trees)
    assert result.metrics.get("branching/branches", 0) == drawn


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_generated_token_is_trained_or_counted_as_waste(name: str, weights: dict[str, torch.Tensor]) -> None:
    config = settings(name, "")
    result, _ = step(config, weights)
    metrics = result.metrics
    rollouts = [rollout for tree in result.trees for rollout in tree]
    assert metrics["tokens/generated"] == sum(rollout.own_policy_tokens for rollout in rollouts)
    trained = {(key.tree, key.rollout) for part in result.scored for key in part.batch.keys}
    everything = {(index, rollout.id) for index, tree in enumerate(result.trees) for rollout in tree}
    idle = sum(
        result.trees[index].rollout(rollout).own_policy_tokens
        for index, rollout in everything
        if (index, rollout) not in trained
    )
    assert metrics["tokens/wasted"] == idle
    # Who wastes: branches that set advantages only, and prompts thrown away.
    assert (idle > 0) == (name in ("appo", "vineppo")) or name == "dapo"
    assert 0 <= metrics["advantage/groups_without_signal"] <= 1
    assert ("branching/duplicates" in metrics) == config.plan.keeps_states
    assert ("groups/redrawn" in metrics) == (name == "dapo")


def test_dapo_keeps_what_it_threw_away_in_the_records(weights: dict[str, torch.Tensor]) -> None:
    # Two rollouts a prompt agree often.
    result, _ = step(settings("dapo", "--plan.rollouts 2 --plan.redraws 1"), weights)
    redrawn = int(result.metrics["groups/redrawn"])
    assert redrawn > 0 and len(result.trees) == 4 + redrawn
    assert {key.tree for part in result.scored for key in part.batch.keys} == {0, 1, 2, 3}


def test_settings_that_contradict_each_other_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="train_prefix needs a plan whose rollouts are all drawn by the same weights"):
        settings("appo", "--advantage.train-branches True --advantage.train-prefix True")
    with pytest.raises(ConfigError, match=r"overlong_buffer \(61\) cannot exceed sampling.max_rollout_tokens \(60\)"):
        settings("dapo", "--advantage.overlong-buffer 61")
    with pytest.raises(ConfigError, match="unknown setting 'plan.criterion'"):
        settings("grpo", "--plan.criterion entropy")
    with pytest.raises(ConfigError, match="plan: rollouts is 7, but 2 trees with 1 rounds of 2 expansions have 6"):
        settings("tree_grpo", "--plan.rollouts 7")


def test_the_cases_cover_every_estimator() -> None:
    tried = {settings(name, flags).advantage.estimator for name, flags in CASES.values()}
    tried |= {entry.advantage.estimator for entry in ALGORITHMS.values()}
    assert tried == set(ESTIMATORS)
