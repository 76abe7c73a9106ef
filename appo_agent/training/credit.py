"""From rewards to per-token advantages: where trees, scores and the advantage formulas meet.

Owns which rows are trained and with what. The formulas are in `algorithms.advantages` and `algorithms.future`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from appo_agent.algorithms.advantages import (
    ESTIMATORS,
    AdvantageConfig,
    future_aware,
    normalize_over_batch,
    overlong_penalty,
)
from appo_agent.algorithms.future import FutureValue, log_future_value
from appo_agent.algorithms.group import Group, turns_of
from appo_agent.algorithms.logprobs import TokenScores
from appo_agent.batch import Batch, SampleKey, group_of, place_on_actions
from appo_agent.policies.base import Learner
from appo_agent.training.step_metrics import StepMetrics
from appo_agent.types import RolloutTree


class Scored(NamedTuple):
    """Rows with what one forward under pi_theta says about them.

    Attributes:
        batch: the rows, with `old_logprobs`; `advantages` once credit is assigned.
        scores: log pi_theta and entropies, (B, T).
        log_omega: log of the future value, (B, T), not clipped.
        version: of the weights that are pi_theta here.
        branching_scores: the criterion's values, (B, T); None where nothing was chosen.
    """

    batch: Batch
    scores: TokenScores
    log_omega: Tensor
    version: int
    branching_scores: Tensor | None = None

    def select(self, rows: Sequence[int]) -> Scored:
        """These rows, before anything was chosen; without columns that are padding in all of them."""
        batch = self.batch.select(rows)
        width = batch.token_ids.shape[1]
        scores = TokenScores(*(values[rows, :width] for values in self.scores))
        return Scored(batch, scores, self.log_omega[rows, :width], self.version)


def score_drawn(batch: Batch, learner: Learner) -> Scored:
    """Score rows that the current weights drew: they are pi_old, every ratio to them is 1, and so is Omega."""
    scores = learner.score(batch)
    batch = replace(batch, old_logprobs=scores.logprobs)
    return Scored(batch, scores, torch.zeros_like(scores.logprobs), learner.version)


def score(batch: Batch, learner: Learner, future: FutureValue) -> Scored:
    """Score rows with the current weights. `batch` must hold `old_logprobs`."""
    if batch.old_logprobs is None:
        raise ValueError("old_logprobs are not yet known; score the rollouts before the first update")
    scores = learner.score(batch)
    ratio = scores.logprobs - batch.old_logprobs
    return Scored(batch, scores, log_omega(ratio, batch, future), learner.version)


def log_omega(log_ratio: Tensor, batch: Batch, future: FutureValue) -> Tensor:
    """Log Omega (eq. 4) of the batch's action tokens, (B, T)."""
    return log_future_value(
        log_ratio,
        batch.action_mask,
        gamma=future.gamma,
        distance=future.distance,
        drop_ratio_above=future.drop_ratio_above,
    )


def assign_credit(
    trees: Sequence[RolloutTree],
    scored: Sequence[Scored],
    config: AdvantageConfig,
    metrics: StepMetrics,
    *,
    max_tokens: int,
) -> tuple[Batch, list[Scored]]:
    """Advantages of every row, and the batch to train on.

    Args:
        trees: the step's trees; those of the scored rows are complete by now.
        scored: initial rollouts and, where they were scored, branches.
        config: estimator, normalisation, future weighting, and whether branches are trained.
        metrics: counts groups without signal.
        max_tokens: most tokens an episode may hold; what overlong shaping measures against.

    Returns:
        The rows to train (initial rollouts; branches too with `train_branches`) and all scored rows with advantages.
    """
    members = sorted({key.tree for part in scored for key in part.batch.keys})
    # Normalisation over the batch means all prompts of the step, whichever mini-batch they are in.
    valued = [index for index, tree in enumerate(trees) if tree.rollouts] if config.batch_normalized else members
    base: dict[SampleKey, Tensor] = {}
    for index in valued:
        group = _shaped(group_of(trees[index]), trees[index], config, max_tokens)
        if index in members:
            metrics.group(group)
        values = ESTIMATORS[config.estimator](group, config)
        base |= {SampleKey(index, rollout.id): values[row] for row, rollout in enumerate(trees[index])}
    if config.batch_normalized:
        base |= _normalized_over_step(trees, base, config)
    credited = [_credit(part, [base[key] for key in part.batch.keys], config) for part in scored]
    trained = [
        part.batch.select([row for row, key in enumerate(part.batch.keys) if _is_trained(trees, key, config)])
        for part in credited
    ]
    return Batch.concat([batch for batch in trained if len(batch)]), credited


def _shaped(group: Group, tree: RolloutTree, config: AdvantageConfig, max_tokens: int) -> Group:
    """The group with the penalty on overlong rollouts, which settles with the last turn's reward."""
    if not config.overlong_buffer:
        return group
    tokens = torch.tensor([sum(map(len, tree.path(rollout.id))) for rollout in tree])
    penalty = overlong_penalty(tokens, limit=max_tokens, buffer=config.overlong_buffer)
    turns = turns_of(group)
    rewards = turns.rewards.clone()
    rewards[torch.arange(len(rewards)), (turns.starts >= 0).sum(1) - 1] += penalty
    return group._replace(rewards=group.rewards + penalty, turns=turns._replace(rewards=rewards))


def _normalized_over_step(
    trees: Sequence[RolloutTree], base: Mapping[SampleKey, Tensor], config: AdvantageConfig
) -> dict[SampleKey, Tensor]:
    """The base advantages of what is trained, normalised over all of the step; 0 beyond each path."""
    keys = [key for key in base if _is_trained(trees, key, config)]
    spans = {key: _trained_span(trees[key.tree], key.rollout, config) for key in keys}
    normalized = normalize_over_batch([base[key][spans[key]] for key in keys])
    result: dict[SampleKey, Tensor] = {}
    for key, values in zip(keys, normalized, strict=True):
        result[key] = torch.zeros_like(base[key])
        result[key][spans[key]] = values
    return result


def _trained_span(tree: RolloutTree, rollout_id: str, config: AdvantageConfig) -> slice:
    """Which policy tokens of a rollout's path are trained in its row."""
    rollout = tree.rollout(rollout_id)
    inherited = tree.path_policy_tokens_before(rollout)
    return slice(0 if config.train_prefix else inherited, inherited + rollout.own_policy_tokens)


def _credit(part: Scored, base: Sequence[Tensor], config: AdvantageConfig) -> Scored:
    if part.batch.old_logprobs is None:
        raise ValueError("old_logprobs are not yet known")
    advantages = future_aware(
        place_on_actions(part.batch, base),
        part.log_omega.exp(),
        (part.scores.logprobs - part.batch.old_logprobs).exp(),
        config,
    )
    if config.engine_weight_cap:
        weights = (part.batch.old_logprobs - part.batch.behavior_logprobs).exp().clamp(max=config.engine_weight_cap)
        advantages = advantages * weights
    advantages = torch.where(part.batch.action_mask, advantages, 0.0)
    return part._replace(batch=replace(part.batch, advantages=advantages))


def _is_trained(trees: Sequence[RolloutTree], key: SampleKey, config: AdvantageConfig) -> bool:
    return config.train_branches or trees[key.tree].rollout(key.rollout).origin is None
