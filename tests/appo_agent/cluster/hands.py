"""Workers in this process behind the pool's protocol, and a tiny agent's settings."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from appo_agent.cluster.placed_env import SnapshotHandle
from appo_agent.cluster.replay import History
from appo_agent.cluster.rollouts import ClusterCollector, ClusterSampler
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.cluster.worker import Job, Method, RolloutWorker
from appo_agent.policies.tiny.model import TinyConfig
from appo_agent.training.build import env_maker
from appo_agent.training.config import TrainConfig, default_config
from appo_agent.training.policy import Policy, build_policy
from appo_agent.types import RolloutTree, Turn
from tests.appo_agent.conftest import tool_env

LITTLE = TinyConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)


def little_config(**cluster: Any) -> TrainConfig:
    return replace(
        default_config(),
        policy=LITTLE,
        env_options=("hops=2",),
        prompts_per_step=4,
        mini_batches=2,
        cluster=replace(ClusterConfig(episodes_per_call=6), **cluster),
    )


def little_policy(config: TrainConfig) -> Policy:
    return build_policy(config, tool_env().vocabulary)


def weights_of(policy: Policy) -> Mapping[str, torch.Tensor]:
    return policy.model.full_weights()


class LocalHands:
    """Workers that are functions of this process; what passes is pickled, as between machines."""

    def __init__(self, workers: Sequence[RolloutWorker]) -> None:
        self.workers = list(workers)
        self.turn = 0

    def set_weights(self, version: int, arrays: Mapping[str, np.ndarray]) -> None:
        for worker in self.workers:
            worker.set_weights(version, pickle.loads(pickle.dumps(dict(arrays))))

    def map(self, method: Method, jobs: Sequence[Job]) -> list[Any]:
        results = []
        for job in jobs:
            home = [worker for worker in self.workers if worker.facts.id == job.home]
            self.turn += 1
            worker = home[0] if home else self.workers[self.turn % len(self.workers)]
            call = pickle.loads(pickle.dumps(job.call))
            answer = worker.run(call) if method == "run" else worker.generate(call)
            results.append(pickle.loads(pickle.dumps(answer)))
        return results

    def release(self, worker: str, numbers: Sequence[int]) -> None:
        for one in self.workers:
            if one.facts.id == worker:
                one.release(numbers)


def cluster_of(hands: Any, config: TrainConfig, policy: Policy) -> tuple[ClusterCollector, ClusterSampler]:
    env = env_maker(config.env, config.env_options)()
    collector = ClusterCollector(
        hands, env, policy.tokenizer, config.sampling, episodes_per_call=config.cluster.episodes_per_call
    )
    return collector, ClusterSampler(hands)


def seen(trees: Sequence[RolloutTree]) -> list[Any]:
    """Everything that was drawn and answered, and how its snapshots came about; not where they lie."""
    return [
        (
            tree.task.id,
            rollout.id,
            rollout.policy_version,
            rollout.error,
            rollout.terminated,
            rollout.reward,
            [
                (
                    turn.action.token_ids.tolist(),
                    None if turn.action.behavior_logprobs is None else turn.action.behavior_logprobs.tobytes(),
                    turn.observation.token_ids.tolist(),
                    _history(turn),
                )
                for turn in rollout.turns
            ],
        )
        for tree in trees
        for rollout in tree
    ]


def _history(turn: Turn) -> History | None:
    handle = None if turn.env_state is None else turn.env_state.env
    return handle.history if isinstance(handle, SnapshotHandle) else None
