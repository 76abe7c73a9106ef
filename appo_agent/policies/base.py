"""The two protocols that the trainer knows: what generates (`Sampler`) and what learns (`Learner`).

Owns the request and result types of both and the guard against stale weights. Implementations live in the sibling
modules; nothing here imports them. `Tokenizer` is the small part of a tokenizer that rollouts need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from appo_agent.types import Generation

if TYPE_CHECKING:
    import torch

    from appo_agent.algorithms.logprobs import TokenScores
    from appo_agent.algorithms.losses import LossConfig
    from appo_agent.batch import Batch


@dataclass(frozen=True, eq=False)
class GenerationRequest:
    """One policy turn to be generated.

    Attributes:
        id: names the request in the results; unique among those under way.
        prompt_token_ids: (T,) everything the policy has seen so far.
        seed: source of this request's noise. The k-th token depends on (weights, prompt, seed, k) alone, never on what
            else is in the batch.
        max_tokens: upper limit of new tokens, at least 1.
        temperature: divides the logits, > 0; log-probs are reported at this temperature.
        stop: strings that end the turn; the tokens that complete one are part of the result.
        version: weights that must draw the tokens; any other version is refused.
    """

    id: str
    prompt_token_ids: NDArray[np.int64]
    seed: int
    max_tokens: int
    temperature: float
    stop: tuple[str, ...]
    version: int

    def __post_init__(self) -> None:
        if len(self.prompt_token_ids) == 0:
            raise ValueError(f"request {self.id}: the prompt is empty")
        if self.max_tokens < 1:
            raise ValueError(f"request {self.id}: max_tokens must be at least 1, got {self.max_tokens}")
        if not self.temperature > 0:
            raise ValueError(f"request {self.id}: temperature must be positive, got {self.temperature}")


class Completion(NamedTuple):
    """A finished request."""

    request_id: str
    generation: Generation


class StaleWeightsError(RuntimeError):
    """A request asked for a weight version that the sampler does not hold."""


class Sampler(Protocol):
    """Generates policy turns, many at once, with the weights of one version."""

    @property
    def version(self) -> int:
        """Version of the weights in use."""
        ...

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue requests.

        Raises:
            StaleWeightsError: a request asks for another version than `version`.
            ValueError: the prompt and max_tokens do not fit the context, or the id is under way.
        """
        ...

    def completed(self) -> list[Completion]:
        """Work until at least one queued request is finished; empty only when none is queued."""
        ...

    def set_weights(self, version: int, source: Mapping[str, torch.Tensor]) -> None:
        """Switch to other weights. Everything cached under the old ones is dropped."""
        ...


class UpdateMetrics(NamedTuple):
    """What one optimizer step reports.

    Attributes:
        loss: over all rows.
        gradient_norm: before it was clipped.
        clip_fraction: share of tokens whose gradient the loss's clip removed or bounded, over all rows.
        kl: nats a token, over the rows that were scored: without a KL term those that have an advantage; 0 if none has.
        mean_ratio_deviation: mean of |rho - 1| over the same rows.
    """

    loss: float
    gradient_norm: float
    clip_fraction: float
    kl: float
    mean_ratio_deviation: float


class Learner(Protocol):
    """Scores tokens with the current weights and improves them."""

    @property
    def version(self) -> int:
        """Number of optimizer updates so far."""
        ...

    @property
    def vocabulary(self) -> int:
        """V, number of tokens that entropies are over."""
        ...

    def score(self, batch: Batch) -> TokenScores:
        """Log-probs and entropies (B, T), no gradient, with the current weights."""
        ...

    def score_previous(self, batch: Batch) -> TokenScores | None:
        """As `score` with the weights before the last update; None while there are none or they are not kept."""
        ...

    def set_reference(self) -> None:
        """Make the current weights pi_ref, which the KL term of the loss pulls towards."""
        ...

    def score_reference(self, batch: Batch) -> TokenScores:
        """As `score` with pi_ref.

        Raises:
            ValueError: `set_reference` was never called.
        """
        ...

    def update(self, batch: Batch, loss: LossConfig) -> UpdateMetrics:
        """One optimizer step on a batch that holds `old_logprobs` and `advantages`.

        Raises:
            NonFiniteError: loss or gradient is not finite; the weights are unchanged.
        """
        ...

    def weights(self) -> Mapping[str, torch.Tensor]:
        """The current weights under their transformers names; views, not copies."""
        ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights, optimizer state and whatever else an exact resume needs, by name."""
        ...

    def load_tensors(self, tensors: Mapping[str, torch.Tensor], version: int) -> None:
        """Restore what `tensors` gave."""
        ...

    def save_policy(self, folder: Path) -> None:
        """Write the policy as a Hugging Face folder."""
        ...


class Tokenizer(Protocol):
    """What rollouts need of a tokenizer."""

    @property
    def eos_token_id(self) -> int:
        """The token that ends a text."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of plain text. Special tokens spelled out in it come back as ordinary text, never as their ids."""
        ...

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of these ids, special tokens included."""
        ...

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """Ids of a conversation through the chat template, up to where the policy goes on."""
        ...

    def answers(self, messages: Sequence[Mapping[str, Any]], *, after_eos: bool) -> list[int]:
        """Ids of the environment's messages after a turn through the chat template, up to where the policy goes on.

        Args:
            messages: what the environment answered.
            after_eos: the turn ended with the end-of-text token, which is not written again.
        """
        ...
