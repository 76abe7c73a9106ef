"""Drawing tokens from logits with given noise: the one rule that every in-process sampler follows."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


class Drawn(NamedTuple):
    """Tokens (R,) and their log-probs (R,), nats, at the temperature they were drawn with."""

    token_ids: Tensor
    logprobs: Tensor


def draw_tokens(logits: Tensor, uniform: Tensor, temperature: float) -> Drawn:
    """Inverse-CDF draw: the token whose slice of [0, 1) holds the uniform number.

    Args:
        logits: (R, V).
        uniform: (R,) in [0, 1).
        temperature: divides the logits, > 0.
    """
    logprobs = F.log_softmax(logits.float() / temperature, -1)
    cumulative = logprobs.exp().cumsum(-1)
    target = uniform.to(cumulative.dtype)[:, None] * cumulative[:, -1:]
    token_ids = (cumulative <= target).sum(-1).clamp(max=cumulative.shape[1] - 1)
    return Drawn(token_ids, logprobs.gather(1, token_ids[:, None])[:, 0])
