"""Episodes on workers: the same as at home, forked where their snapshots lie, replayed where those are lost."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from appo_agent.cluster.assemble import build_worker
from appo_agent.cluster.placed_env import PlacedEnv, Scout, SnapshotHandle
from appo_agent.cluster.replay import History, ReplayLog, Start
from appo_agent.cluster.worker import Call
from appo_agent.policies.base import Completion, GenerationRequest, StaleWeightsError
from appo_agent.rollout.branch import PlacedBranch, grow
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.training.build import env_maker
from appo_agent.training.policy import Policy
from appo_agent.types import BranchPoint, RolloutTree
from appo_envs.errors import EnvError
from tests.appo_agent.cluster.hands import LocalHands, cluster_of, little_config, little_policy, seen, weights_of
from tests.appo_agent.conftest import break_call, make_env, tool_env

CONFIG = little_config()


def branches(trees: Sequence[RolloutTree]) -> list[PlacedBranch]:
    return [
        PlacedBranch(index, BranchPoint(rollout.id, turn, 1, 0.0))
        for index, tree in enumerate(trees)
        for rollout in tree
        for turn, one in enumerate(rollout.turns)
        if len(one.action) > 1
    ]


def drawn(hands: Any, *, between: Any = None, seed: int = 5) -> list[RolloutTree]:
    """Two rounds of rollouts and branches by a cluster of these hands."""
    policy = little_policy(CONFIG)
    collector, sampler = cluster_of(hands, CONFIG, policy)
    sampler.set_weights(3, weights_of(policy))
    tasks = [tool_env().tasks("train")[index] for index in range(4)]
    trees = collector.collect(tasks, 4, sampler, seed=seed, keep_states=True)
    if between is not None:
        between()
    trees = grow(trees, branches(trees), collector, sampler, seed=6, keep_states=True)
    collector.close()
    return trees


def workers(count: int) -> LocalHands:
    return LocalHands([build_worker(CONFIG, None) for _ in range(count)])


class Uncached:
    """The tiny sampler without what it remembers from turn to turn: the plainest thing to compare with."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.set_weights(3, weights_of(policy))

    @property
    def version(self) -> int:
        return self._policy.sampler.version

    def set_weights(self, version: int, source: Mapping[str, torch.Tensor]) -> None:
        self._policy.sampler.set_weights(version, source)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        self.set_weights(self.version, weights_of(self._policy))
        self._policy.sampler.submit(requests)

    def completed(self) -> list[Completion]:
        return self._policy.sampler.completed()


def test_episodes_on_workers_are_those_of_one_process() -> None:
    policy = little_policy(CONFIG)
    sampler = Uncached(policy)
    collector = Collector(EnvPool(env_maker(CONFIG.env, CONFIG.env_options)), policy.tokenizer, CONFIG.sampling)
    tasks = [tool_env().tasks("train")[index] for index in range(4)]
    trees = collector.collect(tasks, 4, sampler, seed=5, keep_states=True)
    trees = grow(trees, branches(trees), collector, sampler, seed=6, keep_states=True)
    found = drawn(workers(2))
    # Log-probs agree up to the rounding of other batch shapes; tokens and answers are the same.
    for ours, theirs in zip(seen(trees), seen(found), strict=True):
        assert ours[:6] == theirs[:6]
        assert [turn[::2] for turn in ours[6]] == [turn[::2] for turn in theirs[6]]


def test_any_number_of_workers_gives_the_same_bytes() -> None:
    expected = seen(drawn(workers(1)))
    assert len(expected) > 16
    assert seen(drawn(workers(3))) == expected


def test_branches_of_a_lost_worker_are_replayed_on_another() -> None:
    expected = seen(drawn(workers(2)))
    hands, other = workers(2), workers(1)
    # The worker that comes instead has snapshots of its own, under the same numbers.
    theirs = drawn(other, seed=8)
    assert other.workers[0].held_snapshots > 16

    def lose() -> None:
        hands.workers[0] = other.workers[0]

    assert seen(drawn(hands, between=lose)) == expected
    assert theirs


def test_a_branch_runs_where_its_snapshot_lies() -> None:
    hands = workers(2)
    trees = drawn(hands)
    homes = {worker.facts.id for worker in hands.workers}
    found = set()
    for tree in trees:
        for branch in tree.branches:
            assert branch.origin is not None
            first = tree.rollout(branch.origin.parent).turns[branch.origin.turn].env_state
            assert first is not None and isinstance(first.env, SnapshotHandle)
            own = {turn.env_state.env.worker for turn in branch.turns if turn.env_state is not None}  # pyright: ignore[reportAttributeAccessIssue]
            assert own == {first.env.worker}
            found |= own
    assert found == homes


def test_snapshots_are_freed_with_the_last_tree_that_holds_them() -> None:
    hands = workers(2)
    trees = drawn(hands)
    assert sum(worker.held_snapshots for worker in hands.workers) > 16
    kept = trees[:1]
    del trees
    gc.collect()
    handles = {
        (turn.env_state.env.worker, turn.env_state.env.number)  # pyright: ignore[reportAttributeAccessIssue]
        for rollout in kept[0]
        for turn in rollout.turns
        if turn.env_state is not None
    }
    assert sum(worker.held_snapshots for worker in hands.workers) == len(handles)


def test_a_snapshot_stays_as_long_as_a_branch_of_it() -> None:
    hands = workers(1)
    trees = drawn(hands)
    branch = trees[0].branches[0]
    kept = [turn.env_state for turn in branch.turns]
    assert branch.origin is not None
    parent = trees[0].rollout(branch.origin.parent).turns[branch.origin.turn].env_state
    # The parent's handle and the branch's are two that name one snapshot.
    assert kept[0] is not None and parent is not None and kept[0].env == parent.env and kept[0].env is not parent.env
    del trees, branch, parent
    gc.collect()
    assert hands.workers[0].held_snapshots == len(kept)


def test_a_call_finds_nothing_that_an_earlier_one_left_in_the_cache() -> None:
    worker = build_worker(CONFIG, None)
    worker.set_weights(1, {name: value.numpy() for name, value in weights_of(little_policy(CONFIG)).items()})
    request = GenerationRequest("a", np.arange(3, 40), 7, 5, 1.0, (), 1)
    [first] = worker.generate(Call(1, 1, requests=(request,)))
    longer = np.concatenate([request.prompt_token_ids, first.generation.span.token_ids])
    [second] = worker.generate(Call(2, 1, requests=(replace(request, prompt_token_ids=longer),)))
    assert second.generation.cached_tokens == 0


def test_weights_of_another_version_are_refused_by_name() -> None:
    worker = build_worker(CONFIG, None)
    policy = little_policy(CONFIG)
    worker.set_weights(3, {name: value.numpy() for name, value in weights_of(policy).items()})
    with pytest.raises(StaleWeightsError, match=f"worker {worker.facts.id} on .* holds weights 3, the call wants 4"):
        worker.run(Call(1, 4))


def test_turns_are_generated_on_workers() -> None:
    policy = little_policy(CONFIG)
    collector, sampler = cluster_of(workers(1), CONFIG, policy)
    sampler.set_weights(1, weights_of(policy))
    policy.sampler.set_weights(1, weights_of(policy))
    request = GenerationRequest("a", np.arange(3, 9), 7, 5, 1.0, (), 1)
    for one in (sampler, policy.sampler):
        one.submit([request])
    with pytest.raises(ValueError, match="already under way"):
        sampler.submit([request])
    with pytest.raises(StaleWeightsError, match="requests wait"):
        sampler.set_weights(2, weights_of(policy))
    [ours], [theirs] = sampler.completed(), policy.sampler.completed()
    np.testing.assert_array_equal(ours.generation.span.token_ids, theirs.generation.span.token_ids)
    assert sampler.completed() == []
    with pytest.raises(StaleWeightsError, match="wants weights 0"):
        sampler.submit([replace(request, version=0)])
    collector.close()


def test_a_replay_that_is_answered_otherwise_ends_only_that_rollout() -> None:
    log = ReplayLog(make_env())
    start = Start(tool_env().tasks("train")[0].id, 3)
    history = History(start).after("<answer> who </answer>", "something else")
    with pytest.raises(EnvError, match="1 turns, done again on another worker, were answered otherwise"):
        log.replay(history)


def test_a_snapshot_that_a_worker_cannot_restore_ends_only_that_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    break_call(monkeypatch, "restore", 1)
    trees = drawn(workers(1))
    broken = [rollout for tree in trees for rollout in tree if rollout.error is not None]
    assert [rollout.error for rollout in broken] == ["SandboxError: no restore"]
    assert broken[0].origin is not None and broken[0].policy_version == 3


def test_the_driver_plays_one_episode_at_a_time() -> None:
    scout = Scout(make_env())
    first, second = PlacedEnv(scout), PlacedEnv(scout)
    tasks = tool_env().tasks("train")
    question, _ = first.reset(seed=1, options={"task": tasks[0].id})
    assert question
    first.step("<search> writer nobody </search>")
    second.reset(seed=1, options={"task": tasks[1].id})
    with pytest.raises(RuntimeError, match="one episode at a time"):
        first.step("<search> writer nobody </search>")
    with pytest.raises(ValueError, match=re.escape("expected a seed and a task, got seed None")):
        first.reset()
