"""Cold start: supervised fine-tuning on scripted, noisy demonstrations.

Owns demonstrations as tokens, the cross-entropy step and its optimizers. The demonstrator belongs to the task source;
its actions are played in the real environment, so results in the demonstrations are real.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from appo_agent.algorithms.logprobs import previous_positions, selected_token_scores
from appo_agent.errors import NonFiniteError
from appo_agent.policies.base import Tokenizer
from appo_agent.policies.learner import CausalModel
from appo_agent.rollout.collect import EnvPool
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.checkpoint import flatten_optimizer, restore_optimizer
from appo_agent.training.task_stream import TaskStream
from appo_envs import Task
from appo_envs.seeding import derive_seed


@dataclass(frozen=True)
class ColdStartConfig:
    """Supervised fine-tuning before reinforcement learning."""

    steps: int = 450
    """Optimizer steps; 0 skips the cold start."""
    batch_size: int = 16
    """Demonstrations a step. Small batches learn faster here: the jumps in skill need steps."""
    muon_learning_rate: float = 1e-2
    """Peak step size of Muon on the matrices of the layers."""
    adamw_learning_rate: float = 3e-3
    """Peak step size of AdamW on embeddings, biases and gains."""
    warmup_steps: int = 50
    """Steps over which the step size grows linearly; it then falls linearly to 5%."""

    def __post_init__(self) -> None:
        if self.steps < 0 or self.batch_size < 1 or self.warmup_steps < 1:
            raise ValueError("steps must be 0 or more; batch_size and warmup_steps at least 1")
        if self.muon_learning_rate <= 0 or self.adamw_learning_rate <= 0:
            raise ValueError("learning rates must be positive")


@dataclass(frozen=True, eq=False)
class Demonstration:
    """An expert's episode as tokens.

    Attributes:
        token_ids: (T,) int64, prompt first.
        written: (T,) True where the expert wrote the token; only these are learned.
    """

    token_ids: NDArray[np.int64]
    written: NDArray[np.bool_]


def demonstrate(env: gymnasium.Env, task: Task, tokenizer: Tokenizer, seed: int) -> Demonstration:
    """Play the task source's expert in the environment and write down both sides."""
    inner = tool_env(env)
    question, _ = env.reset(seed=seed % 2**31, options={"task": task.id})
    expert = inner.task_source.expert(task, np.random.default_rng(seed))
    ids, written = [tokenizer.prompt(inner.messages)], [False]
    observation, over = question, False
    while not over:
        action = expert.act(observation)
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        ids += [tokenizer.encode(action), tokenizer.encode(observation)]
        written += [True, False]
    mask = np.repeat(written, [len(part) for part in ids])
    return Demonstration(np.concatenate(ids).astype(np.int64), mask)


class ColdStart:
    """The supervised phase, one step at a time.

    Args:
        model: the policy, updated in place.
        tokenizer: the policy's.
        envs: environments to demonstrate in.
        tasks: training tasks in the order they are used, one a demonstration.
        config: settings.
        seed: the run's seed; step k draws the same demonstrations whenever it runs.
    """

    def __init__(
        self,
        model: CausalModel,
        tokenizer: Tokenizer,
        envs: EnvPool,
        tasks: TaskStream,
        config: ColdStartConfig,
        seed: int,
    ) -> None:
        self._model, self._tokenizer, self._envs, self._tasks = model, tokenizer, envs, tasks
        self._config, self._seed = config, seed
        self.finished_steps = 0
        matrices, rest = [], []
        for name, parameter in model.named_parameters():
            is_matrix = parameter.dim() == 2 and "embed" not in name and "lm_head" not in name
            (matrices if is_matrix else rest).append(parameter)
        self._muon = torch.optim.Muon(
            matrices,
            lr=config.muon_learning_rate,
            momentum=0.95,
            weight_decay=0.0,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adamw = torch.optim.AdamW(rest, lr=config.adamw_learning_rate, betas=(0.9, 0.98), weight_decay=0.0)

    @property
    def done(self) -> bool:
        """All steps are behind."""
        return self.finished_steps >= self._config.steps

    def step(self) -> float:
        """One optimizer step on fresh demonstrations. Returns the cross-entropy, nats a token."""
        first = self.finished_steps * self._config.batch_size
        env = self._envs.acquire()
        demonstrations = [
            demonstrate(env, self._tasks[index], self._tokenizer, derive_seed(self._seed, "expert", index))
            for index in range(first, first + self._config.batch_size)
        ]
        self._envs.release(env)
        loss = self._loss(demonstrations)
        self._muon.zero_grad(set_to_none=True)
        self._adamw.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for _, p in self._model.named_parameters()]
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise NonFiniteError(
                f"cold start, step {self.finished_steps + 1}: loss {float(loss)}, gradient norm {float(norm)}; "
                "nothing was applied. Lower cold_start.muon_learning_rate"
            )
        scale = self._schedule()
        self._muon.param_groups[0]["lr"] = self._config.muon_learning_rate * scale
        self._adamw.param_groups[0]["lr"] = self._config.adamw_learning_rate * scale
        self._muon.step()
        self._adamw.step()
        self.finished_steps += 1
        return float(loss.detach())

    def tensors(self) -> dict[str, Tensor]:
        """Optimizer state by name; the weights belong to the learner."""
        return flatten_optimizer(self._muon, "muon.") | flatten_optimizer(self._adamw, "adamw.")

    def load_tensors(self, tensors: Mapping[str, Tensor], finished_steps: int) -> None:
        """Restore what `tensors` gave."""
        restore_optimizer(self._muon, tensors, "muon.")
        restore_optimizer(self._adamw, tensors, "adamw.")
        self.finished_steps = finished_steps

    def _schedule(self) -> float:
        step = self.finished_steps
        return min(1.0, (step + 1) / self._config.warmup_steps) * max(0.05, 1 - step / self._config.steps)

    def _loss(self, demonstrations: Sequence[Demonstration]) -> Tensor:
        width = max(len(demonstration.token_ids) for demonstration in demonstrations)
        token_ids = torch.zeros(len(demonstrations), width, dtype=torch.long)
        written = torch.zeros(len(demonstrations), width, dtype=torch.bool)
        for row, demonstration in enumerate(demonstrations):
            token_ids[row, : len(demonstration.token_ids)] = torch.from_numpy(demonstration.token_ids)
            written[row, : len(demonstration.written)] = torch.from_numpy(demonstration.written)
        hidden = self._model.hidden_states(token_ids)
        logits = self._model.project(hidden.flatten(0, 1)[previous_positions(written)])
        return -selected_token_scores(logits, token_ids[written], temperature=1.0).logprobs.mean()
