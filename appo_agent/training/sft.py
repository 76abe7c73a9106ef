"""Cold start: supervised fine-tuning on demonstrations.

Owns the cross-entropy step and its optimizers. What is imitated comes from `demonstrations.py` or `conversations.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from appo_agent.errors import NonFiniteError
from appo_agent.finite import check_finite
from appo_agent.policies.forward import CausalModel, score_written
from appo_agent.training.checkpoint import flatten_optimizer, restore_optimizer
from appo_agent.training.demonstrations import Demonstration, Demonstrations


@dataclass(frozen=True)
class ColdStartConfig:
    """Supervised fine-tuning before reinforcement learning."""

    steps: int = 450
    """Optimizer steps; 0 skips the cold start."""
    batch_size: int = 16
    """Demonstrations a step. Small batches learn faster here: the jumps in skill need steps."""
    data: str = ""
    """Conversations to imitate: a JSONL file, or hub:ID of a Hugging Face data set; empty: demonstrations by the
    environment's own expert."""
    policy: str = ""
    """A policy to begin with instead of a new one: the folder `policy` of another run. With `steps` 0, training starts
    where that run ended; so runs that are compared share one cold start."""
    muon_learning_rate: float = 1e-2
    """Peak step size of Muon on the matrices of the layers; 0: AdamW for them too, as for pretrained models."""
    adamw_learning_rate: float = 3e-3
    """Peak step size of AdamW on embeddings, biases and gains."""
    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW, >= 0."""
    max_tokens: int = 4096
    """Longer demonstrations are cut, tokens."""
    warmup_steps: int = 50
    """Steps over which the step size grows linearly; it then falls linearly to 5%."""

    def __post_init__(self) -> None:
        check_finite(
            self,
            positive=("batch_size", "adamw_learning_rate", "warmup_steps"),
            from_zero=("steps", "muon_learning_rate", "weight_decay"),
        )
        if self.max_tokens < 2:
            raise ValueError(f"max_tokens must be at least 2, got {self.max_tokens}")


class ColdStart:
    """The supervised phase, one step at a time.

    Args:
        model: the policy, updated in place.
        demonstrations: what is imitated; step k always takes the same ones.
        config: settings.
        micro_batch_tokens: most padded tokens in one forward.
    """

    def __init__(
        self,
        model: CausalModel,
        demonstrations: Demonstrations,
        config: ColdStartConfig,
        micro_batch_tokens: int = 32_768,
    ) -> None:
        self._model, self._demonstrations, self._config = model, demonstrations, config
        self._micro_batch_tokens = micro_batch_tokens
        self.finished_steps = 0
        matrices, rest = [], []
        for name, parameter in model.named_parameters():
            # Muon is for whole matrices; the two factors of an adapter are none.
            whole = all(part not in name for part in ("embed", "lm_head", "lora_"))
            is_matrix = parameter.dim() == 2 and whole
            (matrices if is_matrix and config.muon_learning_rate else rest).append(parameter)
        self._muon = (
            torch.optim.Muon(
                matrices,
                lr=config.muon_learning_rate,
                momentum=0.95,
                weight_decay=0.0,
                adjust_lr_fn="match_rms_adamw",
            )
            if matrices
            else None
        )
        # Adapters are matrices of layers and nothing else.
        self._adamw = (
            torch.optim.AdamW(rest, lr=config.adamw_learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay)
            if rest
            else None
        )

    @property
    def done(self) -> bool:
        """All steps are behind."""
        return self.finished_steps >= self._config.steps

    def step(self) -> float:
        """One optimizer step on fresh demonstrations. Returns the cross-entropy, nats a token."""
        first = self.finished_steps * self._config.batch_size
        demonstrations = self._demonstrations.take(first, self._config.batch_size)
        for optimizer in self._optimizers():
            optimizer.zero_grad(set_to_none=True)
        loss = self._gradients([one.head(self._config.max_tokens) for one in demonstrations])
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in self._model.named_parameters()], 1.0)
        if not (math.isfinite(loss) and torch.isfinite(norm)):
            raise NonFiniteError(
                f"cold start, step {self.finished_steps + 1}: loss {loss}, gradient norm {float(norm)}; "
                "nothing was applied. Lower cold_start.muon_learning_rate and cold_start.adamw_learning_rate"
            )
        scale = self._schedule()
        if self._adamw is not None:
            self._adamw.param_groups[0]["lr"] = self._config.adamw_learning_rate * scale
        if self._muon is not None:
            self._muon.param_groups[0]["lr"] = self._config.muon_learning_rate * scale
        for optimizer in self._optimizers():
            optimizer.step()
        self.finished_steps += 1
        return loss

    def tensors(self) -> dict[str, Tensor]:
        """Optimizer state by name; the weights belong to the learner."""
        muon = {} if self._muon is None else flatten_optimizer(self._muon, "muon.")
        adamw = {} if self._adamw is None else flatten_optimizer(self._adamw, "adamw.")
        return muon | adamw

    def load_tensors(self, tensors: Mapping[str, Tensor], finished_steps: int) -> None:
        """Restore what `tensors` gave."""
        if self._muon is not None:
            restore_optimizer(self._muon, tensors, "muon.")
        if self._adamw is not None:
            restore_optimizer(self._adamw, tensors, "adamw.")
        self.finished_steps = finished_steps

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        return [optimizer for optimizer in (self._muon, self._adamw) if optimizer is not None]

    def _schedule(self) -> float:
        step = self.finished_steps
        return min(1.0, (step + 1) / self._config.warmup_steps) * max(0.05, 1 - step / self._config.steps)

    def _gradients(self, demonstrations: Sequence[Demonstration]) -> float:
        """Add the gradient of the mean cross-entropy, micro-batch by micro-batch; returns the mean, nats a token."""
        total = sum(int(one.written.sum()) for one in demonstrations)
        if not total:
            raise ValueError("the demonstrations hold no token to learn; raise cold_start.max_tokens")
        loss = 0.0
        for part in _micro_batches(demonstrations, self._micro_batch_tokens):
            share = self._loss(part) * (sum(int(one.written.sum()) for one in part) / total)
            share.backward()
            loss += float(share.detach())
        return loss

    def _loss(self, demonstrations: Sequence[Demonstration]) -> Tensor:
        """Mean cross-entropy of the written tokens, nats."""
        width = max(len(demonstration.token_ids) for demonstration in demonstrations)
        token_ids = torch.zeros(len(demonstrations), width, dtype=torch.long)
        written = torch.zeros(len(demonstrations), width, dtype=torch.bool)
        for row, demonstration in enumerate(demonstrations):
            token_ids[row, : len(demonstration.token_ids)] = torch.from_numpy(demonstration.token_ids)
            written[row, : len(demonstration.written)] = torch.from_numpy(demonstration.written)
        token_ids, written = token_ids.to(self._model.device), written.to(self._model.device)
        return -score_written(self._model, token_ids, written, temperature=1.0).logprobs.mean()


def _micro_batches(demonstrations: Sequence[Demonstration], max_tokens: int) -> Iterator[list[Demonstration]]:
    """Demonstrations that have something to learn, in order, each part at most `max_tokens` padded tokens."""
    part: list[Demonstration] = []
    for demonstration in demonstrations:
        if not demonstration.written.any():
            continue
        width = max(len(one.token_ids) for one in [*part, demonstration])
        if part and width * (len(part) + 1) > max_tokens:
            yield part
            part = []
        part.append(demonstration)
    if part:
        yield part
