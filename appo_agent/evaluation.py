"""The one evaluator: policy + environment + tasks to scored episodes.

Training's held-out figures, `appo eval` and the benchmarks all come from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appo_agent.analysis.statistics import Interval, wilson_interval
from appo_agent.policies.base import Sampler
from appo_agent.rollout.collect import Collector
from appo_agent.types import RolloutTree
from appo_envs import Task

CHUNK = 256
"""Episodes under way at once; bounds memory, never the result."""


@dataclass(frozen=True)
class EvaluationConfig:
    """When and on what the policy is evaluated."""

    episodes: int = 1024
    """Episodes of the held-out evaluation before and after training."""
    split: str = "test"
    """Split of the held-out evaluation; nothing is ever chosen on it."""
    validation_episodes: int = 256
    """Episodes of each evaluation during training, on the validation split; 0 turns it off."""
    validation_every: int = 10
    """Training steps between two of them."""

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.validation_episodes < 0 or self.validation_every < 1:
            raise ValueError("episodes and validation_every must be at least 1, validation_episodes at least 0")


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        episodes: episodes that count; those whose environment broke are left out.
        success: share of them that succeeded, in [0, 1].
        interval: 95% Wilson interval of `success`.
        reward: mean reward.
        format_errors: share with a broken format.
        truncated: share cut by a limit.
        tool_calls: mean number of tool calls an episode.
        policy_tokens: mean number of generated tokens an episode.
        errors: episodes whose environment broke.
    """

    episodes: int
    success: float
    interval: Interval
    reward: float
    format_errors: float
    truncated: float
    tool_calls: float
    policy_tokens: float
    errors: int


def evaluate(collector: Collector, sampler: Sampler, tasks: Sequence[Task], seed: int) -> EvaluationResult:
    """One episode a task with the sampler's current weights, at the collector's temperature.

    Raises:
        ValueError: no task, or no episode came through.
    """
    return summarise(play(collector, sampler, tasks, seed))


def play(
    collector: Collector,
    sampler: Sampler,
    tasks: Sequence[Task],
    seed: int,
    on_progress: Callable[[int], object] | None = None,
) -> list[RolloutTree]:
    """The episodes that `evaluate` summarises: one tree of one rollout a task, in their order.

    Args:
        collector: runs the episodes.
        sampler: draws every turn.
        tasks: one episode each.
        seed: decides all noise.
        on_progress: told after each chunk how many episodes are over.

    Raises:
        ValueError: no task.
    """
    if not tasks:
        raise ValueError("evaluation needs at least one task")
    trees: list[RolloutTree] = []
    for start in range(0, len(tasks), CHUNK):
        # A chunk's seed depends on its start, so the result does not depend on what was evaluated before.
        trees += collector.collect(tasks[start : start + CHUNK], 1, sampler, seed + start, keep_states=False)
        if on_progress is not None:
            on_progress(len(trees))
    return trees


def summarise(trees: Sequence[RolloutTree]) -> EvaluationResult:
    """Means over all initial rollouts of the trees."""
    rollouts = [rollout for tree in trees for rollout in tree.initial]
    counted = [rollout for rollout in rollouts if rollout.error is None]
    if not counted:
        raise ValueError(f"none of {len(rollouts)} episodes came through; the first error: {rollouts[0].error}")
    total = len(counted)
    successes = sum(bool(rollout.info.get("is_success")) for rollout in counted)
    return EvaluationResult(
        episodes=total,
        success=successes / total,
        interval=wilson_interval(successes, total),
        reward=sum(rollout.reward for rollout in counted) / total,
        format_errors=sum(not rollout.info["format_ok"] for rollout in counted) / total,
        truncated=sum(rollout.truncated for rollout in counted) / total,
        tool_calls=sum(len(turn.tool_calls) for rollout in counted for turn in rollout.turns) / total,
        policy_tokens=sum(rollout.own_policy_tokens for rollout in counted) / total,
        errors=len(rollouts) - total,
    )
