"""The in-process learner: any causal language model in torch, scored and improved on one machine.

Owns the forward over a batch, micro-batches, the optimizer step and the refusal of non-finite updates. The tiny model
and transformers models share it through `CausalModel`; formulas live in `appo_agent.algorithms`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from appo_agent.algorithms.logprobs import TokenScores, scatter_scores
from appo_agent.algorithms.losses import LossConfig, part_weight, policy_loss
from appo_agent.batch import Batch
from appo_agent.errors import CheckpointError, NonFiniteError, RunError
from appo_agent.finite import check_finite
from appo_agent.policies.base import UpdateMetrics
from appo_agent.policies.forward import CausalModel, score_written
from appo_agent.training.checkpoint import flatten_optimizer, restore_optimizer
from appo_agent.whole_folder import write_whole

Result = TypeVar("Result")
_log = logging.getLogger(__name__)
_SIZES = "load them with the settings of their run; if its first policy had another size, put cold_start.policy back"


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW as the policy-gradient updates use it."""

    learning_rate: float = 4e-4
    """Peak step size, > 0. Hot runs with small groups can lose late what they learnt: many at 6e-4, a few at 4e-4."""
    warmup_updates: int = 20
    """Updates over which the step size grows linearly from 0."""
    beta1: float = 0.9
    """Decay of the first moment, in [0, 1)."""
    beta2: float = 0.95
    """Decay of the second moment, in [0, 1)."""
    weight_decay: float = 0.0
    """Decoupled weight decay, >= 0."""
    gradient_clip: float = 1.0
    """Largest gradient norm, > 0."""
    micro_batch_tokens: int = 32_768
    """Most padded tokens in one forward; only memory depends on it."""

    def __post_init__(self) -> None:
        check_finite(
            self,
            positive=("learning_rate", "gradient_clip", "micro_batch_tokens"),
            from_zero=("warmup_updates", "weight_decay"),
        )
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"beta1 and beta2 must be in [0, 1), got {self.beta1} and {self.beta2}")


class InProcessLearner:
    """Scores and updates a model in this process.

    Args:
        model: the policy.
        optimizer: its settings.
        temperature: logits are divided by it in every score, as the sampler does.
        save: writes the policy as a Hugging Face folder.
        keep_previous: also hold the weights before the last update (the "lagged" cold start scores with them).
    """

    def __init__(
        self,
        model: CausalModel,
        optimizer: OptimizerConfig,
        *,
        temperature: float,
        save: Callable[[Path], None],
        keep_previous: bool = False,
    ) -> None:
        self.model = model
        self._config = optimizer
        self._temperature = temperature
        self._save = save
        self._parameters = dict(model.named_parameters())
        self._optimizer = torch.optim.AdamW(
            self._parameters.values(),
            lr=optimizer.learning_rate,
            betas=(optimizer.beta1, optimizer.beta2),
            weight_decay=optimizer.weight_decay,
        )
        self._version = 0
        self._micro_batch_tokens = optimizer.micro_batch_tokens
        self._keep_previous = keep_previous
        self._previous: dict[str, Tensor] | None = None
        self._reference: dict[str, Tensor] | None = None

    @property
    def version(self) -> int:
        """Number of updates so far."""
        return self._version

    @property
    def vocabulary(self) -> int:
        """V, number of tokens that entropies are over."""
        return self.model.vocabulary

    def score(self, batch: Batch) -> TokenScores:
        """Log-probs and entropies (B, T) at the batch's action tokens, 0 elsewhere.

        Raises:
            RunError: out of memory, also with half the micro-batch.
        """
        return self._within_memory(lambda: self._score(batch))

    def score_previous(self, batch: Batch) -> TokenScores | None:
        """As `score`, with the weights before the last update; None while there are none."""
        return None if self._previous is None else self._score_with(self._previous, batch)

    def score_reference(self, batch: Batch) -> TokenScores:
        """As `score`, with pi_ref."""
        if self._reference is None:
            raise ValueError("there is no pi_ref yet; call set_reference when training starts")
        return self._score_with(self._reference, batch)

    def set_reference(self) -> None:
        """Make the current weights pi_ref, which the KL term pulls towards."""
        self._reference = self._copy()

    @torch.no_grad()
    def _score_with(self, weights: Mapping[str, Tensor], batch: Batch) -> TokenScores:
        current = self._copy()
        self._load(weights)
        try:
            return self.score(batch)
        finally:
            self._load(current)

    def _copy(self) -> dict[str, Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def _score(self, batch: Batch) -> TokenScores:
        places = batch.micro_batches(self._micro_batch_tokens)
        parts = [self._forward(batch.select(rows)) for rows in places]
        shape = batch.token_ids.shape
        return TokenScores(
            _placed(places, [part.logprobs for part in parts], shape),
            _placed(places, [part.entropies for part in parts], shape),
        )

    def update(self, batch: Batch, loss: LossConfig) -> UpdateMetrics:
        """One optimizer step.

        Raises:
            RunError: out of memory, also with half the micro-batch; the weights are unchanged.
            NonFiniteError: loss or gradient is not finite; the weights are unchanged.
        """
        return self._apply(self._within_memory(lambda: self._gradients(batch, loss)))

    def gradient(self, batch: Batch, loss: LossConfig) -> Tensor:
        """(P,) the loss's gradient at the current weights, on the CPU; nothing is applied.

        Raises:
            RunError: out of memory, also with half the micro-batch.
        """
        self._within_memory(lambda: self._gradients(batch, loss))
        parts = [
            torch.zeros_like(parameter).flatten() if parameter.grad is None else parameter.grad.flatten()
            for parameter in self._parameters.values()
        ]
        self._optimizer.zero_grad(set_to_none=True)
        return torch.cat(parts).float().cpu()

    def _gradients(self, batch: Batch, loss: LossConfig) -> list[float]:
        self._optimizer.zero_grad(set_to_none=True)
        totals = torch.zeros(4, dtype=torch.float64)
        # Without a KL term a row whose advantages are all zero has no gradient; it still counts in the averages.
        trained = batch if loss.kl_weight else _with_signal(batch)
        for rows in trained.micro_batches(self._micro_batch_tokens) if len(trained) else ():
            part = trained.select(rows).to(self.model.device)
            if part.old_logprobs is None or part.advantages is None:
                raise ValueError("update needs a batch with old_logprobs and advantages")
            scores = self._forward(part)
            terms = policy_loss(
                scores.logprobs, part.old_logprobs, part.advantages, part.action_mask, loss, part.ref_logprobs
            )
            share = part_weight(loss, part.action_mask, batch.action_mask)
            (terms.loss * share).backward()
            # Rows without a gradient have no loss and nothing that is clipped, but their ratios are not known.
            scored = part_weight(loss, part.action_mask, trained.action_mask)
            shares = torch.tensor([share, share, scored, scored], dtype=torch.float64)
            totals += shares * torch.stack([term.detach().double().cpu() for term in terms])
        return totals.tolist()

    def _within_memory(self, work: Callable[[], Result]) -> Result:
        """Do the work; if memory runs out, once in a run, do it again with half the micro-batch."""
        try:
            return work()
        except torch.OutOfMemoryError as error:
            if self._micro_batch_tokens < self._config.micro_batch_tokens:
                raise RunError(
                    f"out of memory with micro-batches of {self._micro_batch_tokens} tokens, half of "
                    "optimizer.micro_batch_tokens; lower it, or the response length, or train adapters (LoRA)"
                ) from error
            self._micro_batch_tokens = max(1, self._config.micro_batch_tokens // 2)
        _log.warning(
            "out of memory: from now on micro-batches of %d tokens instead of %d; the batch stays the same",
            self._micro_batch_tokens,
            self._config.micro_batch_tokens,
        )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return work()

    def _apply(self, totals: list[float]) -> UpdateMetrics:
        loss, clip_fraction, kl, deviation = totals
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._config.gradient_clip))
        if not (torch.isfinite(torch.tensor(loss)) and torch.isfinite(torch.tensor(norm))):
            self._optimizer.zero_grad(set_to_none=True)
            raise NonFiniteError(
                f"update {self._version + 1}: loss {loss}, gradient norm {norm}; nothing was applied. Lower the "
                "learning rate or look at the dumped batch"
            )
        if self._keep_previous:
            self._previous = self._copy()
        warmup = min(1.0, (self._version + 1) / max(1, self._config.warmup_updates))
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * warmup
        self._optimizer.step()
        self._version += 1
        return UpdateMetrics(loss, norm, clip_fraction, kl, deviation)

    def weights(self) -> Mapping[str, Tensor]:
        """The current weights under their transformers names, adapters merged; views where nothing is merged."""
        return self.model.full_weights()

    def tensors(self) -> dict[str, Tensor]:
        """What learns, optimizer state and, where they are kept, the previous weights and pi_ref."""
        tensors = {f"policy.{name}": value.detach() for name, value in self._parameters.items()}
        tensors |= flatten_optimizer(self._optimizer, "optimizer.")
        if self._previous is not None:
            tensors |= {f"previous.{name}": value for name, value in self._previous.items()}
        if self._reference is not None:
            tensors |= {f"reference.{name}": value for name, value in self._reference.items()}
        return tensors

    def load_tensors(self, tensors: Mapping[str, Tensor], version: int) -> None:
        """Restore what `tensors` gave.

        Raises:
            CheckpointError: they are of another model.
        """
        self._load(_without_prefix(tensors, "policy."))
        restore_optimizer(self._optimizer, tensors, "optimizer.")
        self._previous = _without_prefix(tensors, "previous.") or None
        self._reference = _without_prefix(tensors, "reference.") or None
        self._version = version

    def save_policy(self, folder: Path) -> None:
        """Write the policy as a Hugging Face folder, by rename: a disk that is full leaves an older one valid.

        Raises:
            RunError: the disk refused.
        """
        write_whole(folder, self._save)

    def _forward(self, batch: Batch) -> TokenScores:
        batch = batch.to(self.model.device)
        scores = score_written(self.model, batch.token_ids, batch.action_mask, temperature=self._temperature)
        return scatter_scores(scores, batch.action_mask)

    @torch.no_grad()
    def _load(self, weights: Mapping[str, Tensor]) -> None:
        missing = sorted(self._parameters.keys() ^ weights.keys())
        if missing:
            raise CheckpointError(f"weights do not fit the model: {missing[:3]} are on one side only; {_SIZES}")
        for name, parameter in self._parameters.items():
            if parameter.shape != weights[name].shape:
                found, wanted = tuple(weights[name].shape), tuple(parameter.shape)
                raise CheckpointError(f"weights do not fit the model: {name} is {found}, expected {wanted}; {_SIZES}")
        for name, parameter in self._parameters.items():
            parameter.copy_(weights[name])


def _with_signal(batch: Batch) -> Batch:
    if batch.advantages is None:
        return batch
    return batch.select((batch.advantages != 0).any(1).nonzero()[:, 0])


def _without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _placed(places: Sequence[list[int]], parts: Sequence[Tensor], shape: torch.Size) -> Tensor:
    """Values of micro-batches at their rows of the whole batch, on the CPU; 0 in columns that a part does not have."""
    whole = torch.zeros(shape, dtype=parts[0].dtype)
    for rows, part in zip(places, parts, strict=True):
        whole[rows, : part.shape[1]] = part.cpu()
    return whole
