"""The training step, in the order of the paper's algorithm box.

Owns the mini-batch loop and nothing else: rollouts come from `rollout`, formulas from `algorithms`, weights from the
learner. An algorithm is what `plan`, `advantage` and `loss` say; no algorithm has a loop of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from appo_agent.algorithms.plan import ScoreBranches
from appo_agent.batch import Batch, sample_of
from appo_agent.policies.base import Learner, Sampler
from appo_agent.rollout.branch import PlacedBranch, grow
from appo_agent.rollout.collect import Collector
from appo_agent.training.branching import BranchChooser
from appo_agent.training.config import TrainConfig
from appo_agent.training.credit import Scored, assign_credit, score, score_drawn
from appo_agent.training.growth import Growth
from appo_agent.training.step_metrics import StepMetrics, trainable
from appo_agent.types import RolloutTree
from appo_envs import Task
from appo_envs.seeding import derive_seed


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one training step leaves behind.

    Attributes:
        trees: the step's rollout trees as the last epoch grew them; behind them those that were drawn and discarded.
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
        chooser: decides where a mini-batch branches; None when the plan draws nothing after the first update.
    """

    def __init__(self, config: TrainConfig, collector: Collector, sampler: Sampler, learner: Learner) -> None:
        self._config = config
        self._collector, self._sampler, self._learner = collector, sampler, learner
        self._growth = Growth(config.plan, collector, sampler, learner)
        self.chooser = (
            BranchChooser(config.plan, config.future, collector.tokenizer, learner)
            if isinstance(config.plan, ScoreBranches)
            else None
        )

    def step(self, tasks: Sequence[Task], number: int, spares: Sequence[Task] = ()) -> StepResult:
        """One step: rollouts under pi_old, then one update a mini-batch, where the plan says so with new branches.

        Args:
            tasks: one prompt each, `prompts_per_step` of them.
            number: the step's number; with the run's seed it decides all noise.
            spares: prompts for groups that the plan redraws, `redraws` times as many as tasks.

        Raises:
            NonFiniteError: an update was refused; earlier ones of the step stand.
        """
        config, metrics = self._config, StepMetrics()
        seed = derive_seed(config.seed, "step", number)
        with metrics.phase("generate"):
            trees, discarded = self._growth.draw(tasks, spares, seed, metrics)
        if not any(tree.rollouts for tree in trees):
            # No prompt of the step leaves room for a token; the next step has others.
            return StepResult(trees + discarded, [], metrics.finish())
        with metrics.phase("score"):
            drawn = self._score_drawn(self._rows(trees))
        metrics.mismatch(drawn.batch)

        grown, trained = list(trees), list[Scored]()
        for epoch in range(config.epochs):
            order = np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(len(tasks))
            grown, trained = list(trees), []
            for index, prompts in enumerate(np.split(order, config.mini_batches)):
                members = set(prompts.tolist())
                rows = [row for row, key in enumerate(drawn.batch.keys) if key.tree in members]
                if not rows:
                    continue
                branch_seed = derive_seed(seed, "branch", epoch, index)
                grown, scored = self._mini_batch(grown, drawn.select(rows), branch_seed, index, metrics)
                trained += scored
        return StepResult(grown + discarded, trained, metrics.finish())

    def _rows(self, trees: Sequence[RolloutTree]) -> Batch:
        """What is trained of the rollouts so far."""
        advantage = self._config.advantage
        samples = [
            sample_of(index, tree, rollout, whole_path=advantage.train_prefix)
            for index, tree in enumerate(trees)
            for rollout in (tree if advantage.train_branches else tree.initial)
        ]
        return Batch.from_samples(samples)

    def _mini_batch(
        self, trees: list[RolloutTree], drawn: Scored, seed: int, index: int, metrics: StepMetrics
    ) -> tuple[list[RolloutTree], list[Scored]]:
        config = self._config
        with metrics.phase("score"):
            # Before the step's first update pi_theta is pi_old, which has scored the rows already.
            is_old = drawn.version == self._learner.version
            scored = [drawn if is_old else score(drawn.batch, self._learner, config.future)]
        metrics.future_value(scored[0], index)
        if self.chooser is not None:
            trees, scored = self._branch(self.chooser, trees, scored, seed, metrics)
        with metrics.phase("advantage"):
            limit = config.sampling.max_rollout_tokens
            batch, scored = assign_credit(trees, scored, config.advantage, metrics, max_tokens=limit)
        metrics.trained(trees[key.tree].rollout(key.rollout) for key in batch.keys)
        with metrics.phase("update"):
            metrics.update(self._learner.update(batch, config.loss))
            self._sampler.set_weights(self._learner.version, self._learner.weights())
        return trees, scored

    def _branch(
        self, chooser: BranchChooser, trees: list[RolloutTree], scored: list[Scored], seed: int, metrics: StepMetrics
    ) -> tuple[list[RolloutTree], list[Scored]]:
        """The mini-batch's trees with the branches that pi_theta draws now."""
        loops = chooser.plan.loops if chooser.plan.sources else 0
        for loop in range(loops):
            loop_seed = derive_seed(seed, loop)
            with metrics.phase("select"):
                scored, branches = chooser.choose(trees, scored, loop_seed, metrics)
            with metrics.phase("branch"):
                trees = self._grow(trees, branches, loop_seed, metrics, keep_states=loop + 1 < loops)
            if self._config.advantage.train_branches or loop + 1 < loops:
                with metrics.phase("score"):
                    scored = scored + self._score_new(trees, scored)
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
        metrics.branches(trees, grown)
        return [trainable(tree) for tree in grown]

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
        return [self._score_drawn(Batch.from_samples(samples))]

    def _score_drawn(self, batch: Batch) -> Scored:
        """Score rows that the current weights drew; by pi_ref too where the loss has a KL term."""
        ref = self._learner.score_reference(batch).logprobs if self._config.loss.kl_weight else None
        return score_drawn(replace(batch, ref_logprobs=ref), self._learner)
