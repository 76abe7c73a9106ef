"""From settings to the parts of a run on a cluster: workers, their pool, the driver's collector and sampler."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import gymnasium
import torch
from torch import nn

from appo_agent.cluster.connect import connect, disconnect
from appo_agent.cluster.learner_group import LearnerGroup
from appo_agent.cluster.pool import WorkerPool
from appo_agent.cluster.replay import ReplayLog
from appo_agent.cluster.rollouts import ClusterCollector, ClusterSampler
from appo_agent.cluster.sharded import module_of
from appo_agent.cluster.worker import RolloutWorker
from appo_agent.policies.forward import CausalModel
from appo_agent.policies.learner import InProcessLearner
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.build import env_maker, with_dialect
from appo_agent.training.config import TINY, TrainConfig
from appo_agent.training.policy import Policy, build_policy
from appo_envs.tools.python import PythonTool, isolation_report


class Spread(NamedTuple):
    """The driver's side of a run on a cluster."""

    policy: Policy
    learner: InProcessLearner
    collector: ClusterCollector


def spread(config: TrainConfig, policy: Policy, learner: InProcessLearner, folder: Path | None) -> Spread:
    """Join the cluster and hire workers.

    Args:
        config: the run's settings.
        policy: of the driver; its own sampler is closed, for workers have theirs.
        learner: of the driver; it stays, unless the settings ask for ranks.
        folder: where the policy was loaded from, to be found under this name on every machine; None: as the settings
            say.

    Returns:
        The policy whose sampler are the workers, closing which ends everything that was started; the learner; and the
        collector that has the workers play.

    Raises:
        ConfigError: Ray is missing or of an unknown version.
        RunError: nobody answers at the address.
    """
    connect(config.cluster)
    pool = WorkerPool(partial(build_worker, config, folder), config.cluster)
    collector = ClusterCollector(
        pool,
        env_maker(config.env, with_dialect(config))(),
        policy.tokenizer,
        config.sampling,
        episodes_per_call=config.cluster.episodes_per_call,
    )
    policy.close()
    group = _learner_group(config, policy, folder) if config.cluster.learners else None

    def close() -> None:
        pool.close()
        if group is not None:
            group.close()
        disconnect()

    return Spread(replace(policy, sampler=ClusterSampler(pool), close=close), group or learner, collector)


def _learner_group(config: TrainConfig, policy: Policy, folder: Path | None) -> LearnerGroup:
    return LearnerGroup(
        policy.model,
        partial(_model_of_rank, config, folder),
        config.optimizer,
        config.cluster,
        temperature=config.sampling.temperature,
        save=policy.save,
        keep_previous=config.plan.scores_with_previous_weights,
    )


def _model_of_rank(config: TrainConfig, folder: Path | None) -> tuple[CausalModel, nn.Module]:
    env = env_maker(config.env, with_dialect(config))()
    # A rank never generates; the sampler that shares the model costs nothing.
    policy = build_policy(replace(config, sampler="transformers"), tool_env(env).vocabulary, folder)
    env.close()
    return policy.model, module_of(policy.model)


def build_worker(config: TrainConfig, policy_folder: Path | None) -> RolloutWorker:
    """A worker on this machine.

    Raises:
        ConfigError: the environment or the policy cannot be made here.
        IsolationError: Python sessions would have less isolation here than their settings insist on.
    """
    torch.set_num_threads(config.threads)
    make = env_maker(config.env, with_dialect(config))
    env = make()
    vocabulary, degraded = tool_env(env).vocabulary, _degraded(env)
    env.close()
    policy = build_policy(config, vocabulary, policy_folder)

    def collector(envs: EnvPool) -> Collector:
        return Collector(envs, policy.tokenizer, config.sampling, config.tool_workers)

    return RolloutWorker(
        policy.sampler,
        collector,
        lambda: ReplayLog(make()),
        fresh_cache=config.model == TINY and config.tool_workers == 0,
        degraded=degraded,
    )


def _degraded(env: gymnasium.Env) -> tuple[str, ...]:
    """Features of isolation that Python sessions go without on this machine; a session is started to see that it can.

    Raises:
        IsolationError: that is less than the environment's settings insist on.
    """
    tools = [tool for tool in tool_env(env).tools.values() if isinstance(tool, PythonTool)]
    for tool in tools:
        tool.call({"code": "None"})
    return tuple(report.feature for report in isolation_report() if not report.active) if tools else ()
