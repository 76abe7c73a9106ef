"""The training step, in the order of the paper's algorithm box.

Owns the mini-batch loop and nothing else: rollouts come from `rollout`, formulas from `algorithms`, weights from the
learner. An algorithm is what `plan`, `advantage` and `loss` say; no algorithm has a loop of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from appo_agent.batch import Batch, sample_of
from appo_agent.policies.base import Learner, Sampler
from appo_agent.rollout.branch import PlacedBranch, grow
from appo_agent.rollout.collect import Collector
from appo_agent.training.branching import BranchChooser
from appo_agent.training.config import TrainConfig
from appo_agent.training.credit import Scored, assign_credit, score
from appo_agent.training.step_metrics import StepMetrics
from appo_agent.types import RolloutTree
from appo_envs import Task
from appo_envs.seeding import derive_seed


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one training step leaves behind.

    Attributes:
        trees: the step's rollout trees as the last epoch grew them.
        scored: every scored batch of the last epoch with its advantages, for the records.
        metrics: the step's figures by name.
    """

    trees: list[RolloutTree]
    scored: list[Scored]
    metrics: dict[str, float]


class Trainer:
    """Improves a policy, one step of `prompts_per_step` prompts at a time.

    Args:
        config: the run's settings.
        collector: runs episodes.
        sampler: generates; must hold the learner's weights.
        learner: scores and updates.

    Attributes:
        chooser: decides where to branch.
    """

    def __init__(self, config: TrainConfig, collector: Collector, sampler: Sampler, learner: Learner) -> None:
        self._config = config
        self._collector, self._sampler, self._learner = collector, sampler, learner
        self.chooser = BranchChooser(config.plan, config.future, collector.tokenizer, learner)

    def step(self, tasks: Sequence[Task], number: int) -> StepResult:
        """One step: rollouts under pi_old, then one update a mini-batch with branches under pi_theta.

        Args:
            tasks: one prompt each, `prompts_per_step` of them.
            number: the step's number; with the run's seed it decides all noise.

        Raises:
            NonFiniteError: an update was refused; earlier ones of the step stand.
        """
        config, metrics = self._config, StepMetrics()
        seed = derive_seed(config.seed, "step", number)
        branching = config.plan.sources > 0
        with metrics.phase("generate"):
            trees = self._collector.collect(
                tasks, config.plan.initial, self._sampler, derive_seed(seed, "initial"), keep_states=branching
            )
        trees = metrics.count_rollouts(trees)
        with metrics.phase("score"):
            rollouts = Batch.from_samples([sample_of(i, tree, r) for i, tree in enumerate(trees) for r in tree.initial])
            rollouts = self._with_old_logprobs(rollouts)
        metrics.mismatch(rollouts)

        grown, trained = list(trees), list[Scored]()
        for epoch in range(config.epochs):
            order = np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(len(tasks))
            grown, trained = list(trees), []
            for index, prompts in enumerate(np.split(order, config.mini_batches)):
                members = set(prompts.tolist())
                rows = [row for row, key in enumerate(rollouts.keys) if key.tree in members]
                if not rows:
                    continue
                branch_seed = derive_seed(seed, "branch", epoch, index)
                grown, scored = self._mini_batch(grown, rollouts.select(rows), branch_seed, index, metrics)
                trained += scored
        return StepResult(grown, trained, metrics.finish())

    def _mini_batch(
        self, trees: list[RolloutTree], rollouts: Batch, seed: int, index: int, metrics: StepMetrics
    ) -> tuple[list[RolloutTree], list[Scored]]:
        plan, advantage = self._config.plan, self._config.advantage
        with metrics.phase("score"):
            scored = [score(rollouts, self._learner, self._config.future)]
        metrics.future_value(scored[0], index)
        for loop in range(plan.loops if plan.sources else 0):
            loop_seed = derive_seed(seed, loop)
            with metrics.phase("select"):
                scored, branches = self.chooser.choose(trees, scored, loop_seed, metrics)
            with metrics.phase("branch"):
                trees = self._grow(trees, branches, loop_seed, metrics, keep_states=loop + 1 < plan.loops)
            if advantage.train_branches or loop + 1 < plan.loops:
                with metrics.phase("score"):
                    scored += self._score_new(trees, scored)
        with metrics.phase("advantage"):
            batch, scored = assign_credit(trees, scored, advantage, metrics)
        with metrics.phase("update"):
            metrics.update(self._learner.update(batch, self._config.loss))
            self._sampler.set_weights(self._learner.version, self._learner.weights())
        return trees, scored

    def _grow(
        self,
        trees: list[RolloutTree],
        branches: Sequence[PlacedBranch],
        seed: int,
        metrics: StepMetrics,
        *,
        keep_states: bool,
    ) -> list[RolloutTree]:
        grown = grow(trees, branches, self._collector, self._sampler, seed, keep_states=keep_states)
        return metrics.count_branches(trees, grown)

    def _score_new(self, trees: list[RolloutTree], scored: Sequence[Scored]) -> list[Scored]:
        """Score branches that no batch holds yet. Drawn with these very weights, so pi_old is this score."""
        known = {key for part in scored for key in part.batch.keys}
        members = {key.tree for key in known}
        samples = [
            sample
            for index in sorted(members)
            for rollout in trees[index].branches
            if (sample := sample_of(index, trees[index], rollout)).key not in known
        ]
        if not samples:
            return []
        fresh = self._with_old_logprobs(Batch.from_samples(samples))
        return [score(fresh, self._learner, self._config.future)]

    def _with_old_logprobs(self, batch: Batch) -> Batch:
        """The batch with what the current weights, and pi_ref where the loss has a KL term, say of its tokens."""
        old = self._learner.score(batch).logprobs
        ref = self._learner.score_reference(batch).logprobs if self._config.loss.kl_weight else None
        return replace(batch, old_logprobs=old, ref_logprobs=ref)
