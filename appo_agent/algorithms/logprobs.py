"""Logits to log-probs and entropies of the tokens that were written: the only place that shifts.

One alignment everywhere else: `logprobs[b, t]` belongs to `token_ids[b, t]`. A model's logits at position t predict the
token at t + 1; only this file knows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

ENTROPY_BLOCK = 2**24
"""Probabilities that are held at a time for the entropies: a vocabulary of 150,000 times all tokens is too much."""


class TokenScores(NamedTuple):
    """Log-probs and entropies, nats, of the same shape; 0 where a token was not scored.

    Attributes:
        logprobs: log-probability of each token given those before it; carries the gradient.
        entropies: H_i = -sum_v p_i(v) log p_i(v) over the full vocabulary (eq. 3); no gradient.
    """

    logprobs: Tensor
    entropies: Tensor


def token_scores(logits: Tensor, token_ids: Tensor, *, temperature: float) -> TokenScores:
    """Scores of whole rows.

    Args:
        logits: (B, T, V) as the model returns them: position t predicts token t + 1.
        token_ids: (B, T).
        temperature: divides the logits, > 0.

    Returns:
        (B, T) each, at the token's own position; 0 at position 0, which nothing predicts.

    Raises:
        ValueError: shapes differ, or the temperature is not positive.
    """
    if logits.dim() != 3 or logits.shape[:2] != token_ids.shape:
        raise ValueError(f"logits {tuple(logits.shape)} do not fit token_ids {tuple(token_ids.shape)}")
    predicted = torch.ones_like(token_ids, dtype=torch.bool)
    predicted[:, :1] = False
    before = logits.flatten(0, 1)[previous_positions(predicted)]
    return scatter_scores(selected_token_scores(before, token_ids[predicted], temperature=temperature), predicted)


def selected_token_scores(logits: Tensor, token_ids: Tensor, *, temperature: float) -> TokenScores:
    """Scores of chosen tokens from the logits just before them.

    Args:
        logits: (K, V) at the positions that `previous_positions` gives.
        token_ids: (K,) the tokens they predict.
        temperature: divides the logits, > 0.

    Returns:
        (K,) each, in float32 or the logits' own higher precision.

    Raises:
        ValueError: shapes differ, or the temperature is not positive.
    """
    if logits.dim() != 2 or logits.shape[:1] != token_ids.shape:
        raise ValueError(f"logits {tuple(logits.shape)} do not fit token_ids {tuple(token_ids.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    precision = torch.promote_types(logits.dtype, torch.float32)
    log_probabilities = torch.log_softmax(logits.to(precision) / temperature, -1)
    return TokenScores(log_probabilities.gather(1, token_ids[:, None])[:, 0], _entropies(log_probabilities))


@torch.no_grad()
def _entropies(log_probabilities: Tensor) -> Tensor:
    """(K,) from (K, V), block by block."""
    tokens = max(1, ENTROPY_BLOCK // max(1, log_probabilities.shape[1]))
    # A probability of exactly 0 has log -inf; its share of the entropy is 0.
    blocks = [torch.special.entr(block.exp()).sum(-1) for block in log_probabilities.split(tokens)]
    return torch.cat(blocks)


def previous_positions(mask: Tensor) -> Tensor:
    """Flat indices, into (B * T), of the positions whose logits predict the masked tokens.

    Args:
        mask: (B, T) bool; False at position 0, which nothing predicts.

    Returns:
        (K,) in the order of `token_ids[mask]`.

    Raises:
        ValueError: position 0 of a row is masked.
    """
    if mask[:, :1].any():
        raise ValueError("the first token of a row cannot be scored: nothing comes before it")
    return mask.flatten().nonzero()[:, 0] - 1


def scatter_scores(scores: TokenScores, mask: Tensor) -> TokenScores:
    """Put (K,) scores back to where the mask is True: (B, T), 0 elsewhere."""
    return TokenScores(
        *(torch.zeros(mask.shape, dtype=s.dtype, device=s.device).masked_scatter(mask, s) for s in scores)
    )
