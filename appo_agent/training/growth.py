"""The rollouts of a step that exist before its first update: what every plan but APPO's mini-batch loop draws.

Owns the order: independent rollouts, groups redrawn, rounds of branches until the plan wants no more, fresh rollouts
for what is left of the budget. All of it is drawn by the weights that the step begins with. Where a plan branches is
said by `rollout.turns` and `training.entropy_branches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from appo_agent.algorithms.group import has_signal
from appo_agent.algorithms.plan import EntropyBranches, RolloutPlan, TurnTrees, TurnValues
from appo_agent.policies.base import Learner, Sampler
from appo_agent.rollout.branch import PlacedBranch, grow
from appo_agent.rollout.collect import Collector
from appo_agent.rollout.turns import continuations, expansions
from appo_agent.training.entropy_branches import entropy_branches
from appo_agent.training.step_metrics import StepMetrics, trainable
from appo_agent.types import RolloutTree
from appo_envs import Task
from appo_envs.seeding import derive_seed


class Grown(NamedTuple):
    """What was drawn before the first update.

    Attributes:
        trees: one a prompt of the step, without rollouts whose environment broke or whose prompt left no room.
        discarded: groups with equal rewards that others have replaced.
    """

    trees: list[RolloutTree]
    discarded: list[RolloutTree]


class Growth:
    """Draws the trees of a step as a plan says.

    Args:
        plan: which rollouts a prompt gets.
        collector: runs episodes.
        sampler: generates; must hold the learner's weights.
        learner: scores, where the plan branches by entropy.
    """

    def __init__(self, plan: RolloutPlan, collector: Collector, sampler: Sampler, learner: Learner) -> None:
        self._plan, self._collector, self._sampler, self._learner = plan, collector, sampler, learner

    def draw(self, tasks: Sequence[Task], spares: Sequence[Task], seed: int, metrics: StepMetrics) -> Grown:
        """Everything that the plan draws before the first update.

        Args:
            tasks: one prompt each.
            spares: prompts for groups that are redrawn, `redraws` times as many as tasks.
            seed: decides all noise of this call.
            metrics: counts what was drawn.

        Raises:
            ValueError: too few spare prompts.
            RuntimeError: every environment broke.
        """
        trees = self._independent(tasks, derive_seed(seed, "initial"), metrics)
        if metrics.first_error is not None and not any(tree.rollouts for tree in trees):
            raise RuntimeError(f"every environment of the step broke; the first error: {metrics.first_error}")
        trees, discarded = self._redraw(trees, spares, derive_seed(seed, "redraw"), metrics)
        trees = self._branch(trees, derive_seed(seed, "grow"), metrics)
        if isinstance(self._plan, EntropyBranches):
            trees = self._fill(trees, derive_seed(seed, "fill"), metrics)
        return Grown(trees, discarded)

    def _independent(self, tasks: Sequence[Task], seed: int, metrics: StepMetrics) -> list[RolloutTree]:
        plan = self._plan
        trees = self._collector.collect(tasks, plan.first, self._sampler, seed, keep_states=plan.keeps_states)
        metrics.drawn([rollout for tree in trees for rollout in tree])
        return [trainable(tree) for tree in trees]

    def _redraw(
        self, trees: list[RolloutTree], spares: Sequence[Task], seed: int, metrics: StepMetrics
    ) -> tuple[list[RolloutTree], list[RolloutTree]]:
        """Other prompts in the place of those whose rewards are all equal, as often as the plan allows."""
        redraws = self._plan.most_redraws
        if not redraws:
            return trees, []
        if len(spares) < redraws * len(trees):
            raise ValueError(
                f"{redraws} redraws of {len(trees)} prompts may need {redraws * len(trees)} spare prompts, got "
                f"{len(spares)}"
            )
        trees, left, discarded = list(trees), list(spares), []
        for attempt in range(redraws):
            equal = [index for index, tree in enumerate(trees) if not _rewards_differ(tree)]
            if not equal:
                break
            fresh = self._independent([left.pop(0) for _ in equal], derive_seed(seed, attempt), metrics)
            for index, tree in zip(equal, fresh, strict=True):
                discarded.append(trees[index])
                trees[index] = tree
        metrics.redrawn(len(discarded))
        return trees, discarded

    def _branch(self, trees: list[RolloutTree], seed: int, metrics: StepMetrics) -> list[RolloutTree]:
        before = [replace(tree, rollouts=()) for tree in trees]
        number = 0
        while placed := self._next_branches(before, trees, number, derive_seed(seed, number)):
            before, trees = trees, self._grow(trees, placed, derive_seed(seed, number), metrics)
            number += 1
        return trees

    def _next_branches(
        self, before: Sequence[RolloutTree], trees: Sequence[RolloutTree], number: int, seed: int
    ) -> list[PlacedBranch]:
        """What the plan draws in a round, given the trees of the round before; nothing when it is done."""
        plan = self._plan
        if isinstance(plan, TurnTrees) and number < plan.rounds:
            return expansions(trees, plan.expansions, seed)
        if isinstance(plan, TurnValues) and number == 0:
            return continuations(trees, plan.continuations)
        if isinstance(plan, EntropyBranches):
            return entropy_branches(before, trees, plan, self._learner, seed)
        return []

    def _grow(
        self, trees: list[RolloutTree], placed: Sequence[PlacedBranch], seed: int, metrics: StepMetrics
    ) -> list[RolloutTree]:
        grown = grow(trees, placed, self._collector, self._sampler, seed, keep_states=self._plan.keeps_states)
        metrics.branches(trees, grown)
        return [trainable(tree) for tree in grown]

    def _fill(self, trees: list[RolloutTree], seed: int, metrics: StepMetrics) -> list[RolloutTree]:
        """Fresh rollouts until every prompt has M."""
        missing = [self._plan.rollouts - len(tree.rollouts) for tree in trees]
        filled = self._collector.extend(trees, missing, self._sampler, seed, keep_states=False)
        for before, after in zip(trees, filled, strict=True):
            metrics.drawn(after.initial[len(before.initial) :])
        metrics.filled(sum(missing))
        return [trainable(tree) for tree in filled]


def _rewards_differ(tree: RolloutTree) -> bool:
    return has_signal(torch.tensor([rollout.reward for rollout in tree]))
