"""Branches: the same turn loop from the middle of a finished rollout.

Owns the start of a branch: the environment is restored to the snapshot before the turn, the turn's own tokens before
the branch point become the head of its first action, and the token at the point is drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

import appo_envs
from appo_agent.policies.base import Sampler
from appo_agent.rollout.collect import Collector
from appo_agent.rollout.episode import Episode
from appo_agent.types import BranchPoint, RolloutTree
from appo_envs.seeding import derive_seed


class PlacedBranch(NamedTuple):
    """A branch to draw: which tree, and where in it."""

    tree: int
    point: BranchPoint


def grow(
    trees: Sequence[RolloutTree],
    branches: Sequence[PlacedBranch],
    collector: Collector,
    sampler: Sampler,
    seed: int,
    *,
    keep_states: bool,
) -> list[RolloutTree]:
    """Draw every branch with the sampler's current weights and append it to its tree.

    Args:
        trees: the trees to grow, unchanged by this call.
        branches: where to branch; several may leave at the same point.
        collector: runs the episodes.
        sampler: holds pi_theta.
        seed: decides all noise; the same seed, tree and branch give the same tokens.
        keep_states: keep snapshots, for branches of branches.

    Returns:
        The trees in order, each with its branches behind what it held.

    Raises:
        ValueError: a turn to be branched kept no snapshot.
    """
    episodes: list[Episode] = []
    counts = [_next_numbers(tree) for tree in trees]
    for placed in branches:
        tree, point = trees[placed.tree], placed.point
        number = counts[placed.tree][point.parent]
        counts[placed.tree][point.parent] += 1
        state = tree.rollout(point.parent).turns[point.turn].env_state
        if state is None:
            raise ValueError(
                f"task {tree.task.id}: rollout {point.parent} kept no snapshot before turn {point.turn}; "
                "collect with keep_states=True"
            )
        env = collector.envs.acquire()
        rollout_id = f"{point.parent}.{number}"
        episode = Episode(
            key=f"{placed.tree}/{rollout_id}",
            rollout_id=rollout_id,
            env=env,
            prefix=_join(tree.spans_before(point)),
            head=_join(tree.turn_head(point)),
            origin=point,
            seed=derive_seed(seed, placed.tree),
            keep_states=keep_states,
            state=state,
        )
        episode.enter(partial(appo_envs.restore, env, state))
        episodes.append(episode)
    finished = collector.run(episodes, sampler)
    grown = list(trees)
    for placed, rollout in zip(branches, finished, strict=True):
        grown[placed.tree] = grown[placed.tree].add([rollout])
    return grown


def _next_numbers(tree: RolloutTree) -> Counter[str]:
    """First unused branch number by parent. Broken branches are gone from the tree and leave gaps below it."""
    numbers: Counter[str] = Counter()
    for rollout in tree.branches:
        parent, _, number = rollout.id.rpartition(".")
        numbers[parent] = max(numbers[parent], int(number) + 1)
    return numbers


def _join(spans: Sequence) -> np.ndarray:
    return np.concatenate([span.token_ids for span in spans])
