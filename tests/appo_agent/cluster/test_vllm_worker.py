"""A worker that draws with vLLM: whole steps of APPO on a Ray of this machine."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from appo_agent.cluster.assemble import build_worker
from appo_agent.cluster.connect import connect, disconnect
from appo_agent.policies.learner import InProcessLearner
from appo_agent.training.policy import build_policy
from appo_agent.training.task_stream import TaskStream
from appo_agent.training.trainer import Trainer
from tests.appo_agent.cluster.hands import cluster_of, little_config
from tests.appo_agent.conftest import tool_env
from tests.appo_agent.policies.little_models import little_folder

pytestmark = [
    pytest.mark.ray,
    pytest.mark.vllm,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="needs vllm beside Ray"),
]
# Largest distance of a log-prob of vLLM from the learner's, nats, in float32.
CLOSE = 1e-4


def test_a_worker_with_vllm_draws_each_step_with_the_weights_of_that_step(tmp_path: Path) -> None:
    from appo_agent.cluster.pool import WorkerPool

    little = little_config(address="local", workers=1, cpus_per_worker=0.5, object_store_mb=80)
    config = replace(
        little,
        model=str(little_folder(tmp_path / "model")),
        dialect="tags",
        sampler="vllm",
        prompts_per_step=2,
        pretrained=replace(little.pretrained, dtype="float32"),
        sampling=replace(little.sampling, max_turn_tokens=16, max_rollout_tokens=700),
    )
    # The driver of this test learns; it needs no engine.
    policy = build_policy(replace(config, sampler="transformers"), ())
    learner = InProcessLearner(policy.model, config.optimizer, temperature=1.0, save=policy.save)
    connect(config.cluster)
    try:
        pool = WorkerPool(partial(build_worker, config, None), config.cluster)
        collector, sampler = cluster_of(pool, config, policy)
        sampler.set_weights(learner.version, learner.weights())
        trainer = Trainer(config, collector, sampler, learner)
        tasks = TaskStream(tool_env().tasks("train"), 7)
        for step in range(2):
            result = trainer.step(tasks.take(step * 2, 2), step)
            assert result.metrics["mismatch/max"] < CLOSE
            # A model of random weights earns nothing and so learns nothing: what a better one would change.
            with torch.no_grad():
                for _, parameter in policy.model.named_parameters():
                    parameter.mul_(1.1)
            sampler.set_weights(learner.version, learner.weights())
        assert pool.figures.lost == 0
        pool.close()
    finally:
        disconnect()
