"""Noise of the policy gradient for the tokens that it costs: what Theorem 3.1 of the paper claims for branching.

Groups of the same prompts are drawn again and again, and the gradient of each is taken at the same weights. The trace
of the gradients' covariance times the tokens of a draw says how noisy an estimator is at equal generated tokens; over
the squared length of the mean gradient it has no unit, so that estimators of different scale compare. All of a draw is
one mini-batch, so branches are chosen as in a cold one, by entropy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from appo_agent.algorithms.logprobs import TokenScores
from appo_agent.algorithms.losses import LossConfig
from appo_agent.algorithms.plan import Independent
from appo_agent.algorithms.registry import algorithm
from appo_agent.analysis.statistics import Interval
from appo_agent.batch import Batch
from appo_agent.policies.base import UpdateMetrics
from appo_agent.policies.learner import InProcessLearner
from appo_agent.training.build import Agent
from appo_agent.training.config import TrainConfig
from appo_agent.training.run import env_tasks
from appo_agent.training.trainer import Trainer


class GradientNoise(NamedTuple):
    """How noisy an algorithm's gradient is.

    Attributes:
        algorithm: its name.
        tokens: generated for one draw, mean.
        variance: trace of the covariance of one draw's gradient.
        signal: squared length of the mean gradient, without its own noise; below 0 where noise hides it.
        noise: variance times tokens over signal: draws of so many tokens have as much noise as signal; NaN where the
            signal is hidden.
        interval: 95%, of `noise`, by the jackknife.
    """

    algorithm: str
    tokens: float
    variance: float
    signal: float
    noise: float
    interval: Interval


class _GradientTaker:
    """A learner that keeps the gradient of an update and stays as it is."""

    def __init__(self, learner: InProcessLearner) -> None:
        self._learner = learner
        self.gradients: list[Tensor] = []

    @property
    def version(self) -> int:
        return self._learner.version

    @property
    def vocabulary(self) -> int:
        return self._learner.vocabulary

    def score(self, batch: Batch) -> TokenScores:
        return self._learner.score(batch)

    def score_previous(self, batch: Batch) -> TokenScores | None:
        return self._learner.score_previous(batch)

    def set_reference(self) -> None:
        self._learner.set_reference()

    def score_reference(self, batch: Batch) -> TokenScores:
        return self._learner.score_reference(batch)

    def update(self, batch: Batch, loss: LossConfig) -> UpdateMetrics:
        self.gradients.append(self._learner.gradient(batch, loss))
        return UpdateMetrics(0.0, 0.0, 0.0, 0.0, 0.0)

    def weights(self) -> Mapping[str, Tensor]:
        return self._learner.weights()

    def tensors(self) -> dict[str, Tensor]:
        return self._learner.tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor], version: int) -> None:
        self._learner.load_tensors(tensors, version)

    def save_policy(self, folder: Path) -> None:
        self._learner.save_policy(folder)


def gradient_noise(agent: Agent, config: TrainConfig, prompts: int, draws: int, seed: int) -> list[GradientNoise]:
    """The noise of the run's algorithm, and of GRPO with as many rollouts a prompt.

    Args:
        agent: whose weights the gradients are taken at; they stay as they are.
        config: of its run.
        prompts: of a draw, the same in all.
        draws: at least 3.
        seed: decides all noise.
    """
    grpo = algorithm("grpo")
    rival = replace(
        config,
        algorithm="grpo",
        plan=Independent(rollouts=max(2, config.plan.rollouts)),
        future=grpo.future,
        advantage=grpo.advantage,
        loss=grpo.loss,
    )
    configs = [config] if config.algorithm == "grpo" else [config, rival]
    return [_noise_of(agent, each, prompts, draws, seed) for each in configs]


def _noise_of(agent: Agent, config: TrainConfig, prompts: int, draws: int, seed: int) -> GradientNoise:
    taker = _GradientTaker(agent.learner)
    one = replace(config, prompts_per_step=prompts, mini_batches=1, epochs=1, seed=seed)
    trainer = Trainer(one, agent.collector, agent.sampler, taker)
    split = env_tasks(agent, "train")
    tasks = [split[place % len(split)] for place in range(prompts)]
    spares = [split[(prompts + place) % len(split)] for place in range(prompts * config.plan.most_redraws)]
    tokens = [trainer.step(tasks, draw, spares).metrics["tokens/generated"] for draw in range(draws)]
    return noise_figures(config.algorithm, torch.stack(taker.gradients), sum(tokens) / draws)


def noise_figures(name: str, gradients: Tensor, tokens: float) -> GradientNoise:
    """The figures from gradients.

    Args:
        name: of the algorithm.
        gradients: (R, P), one a draw, R at least 3.
        tokens: of a draw.

    Raises:
        ValueError: too few draws.
    """
    count = len(gradients)
    if count < 3:
        raise ValueError(f"the noise of a gradient needs at least 3 draws, got {count}")
    flat = gradients.double()
    products = flat @ flat.T
    variance, signal = _moments(products, range(count))
    noise = variance * tokens / signal if signal > 0 else math.nan
    return GradientNoise(name, tokens, variance, signal, noise, _jackknife(products, tokens, noise))


def _moments(products: Tensor, rows: Sequence[int]) -> tuple[float, float]:
    """Unbiased variance and squared mean from the inner products of the gradients."""
    chosen = products[list(rows)][:, list(rows)]
    count = len(chosen)
    own, all_pairs = float(chosen.diagonal().sum()), float(chosen.sum())
    # |mean|^2 without the products of gradients with themselves, which hold their noise.
    signal = (all_pairs - own) / (count * (count - 1))
    return own / count - signal, signal


def _jackknife(products: Tensor, tokens: float, noise: float) -> Interval:
    """On the logarithm: the noise is a ratio."""
    count = len(products)
    without = [_moments(products, [row for row in range(count) if row != left]) for left in range(count)]
    if math.isnan(noise) or any(signal <= 0 or variance <= 0 for variance, signal in without):
        return Interval(math.nan, math.nan)
    logs = [math.log(variance * tokens / signal) for variance, signal in without]
    mean = sum(logs) / count
    error = math.sqrt((count - 1) / count * sum((value - mean) ** 2 for value in logs))
    return Interval(noise * math.exp(-1.96 * error), noise * math.exp(1.96 * error))
