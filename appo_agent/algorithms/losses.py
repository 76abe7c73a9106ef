"""Policy-gradient losses over padded rows (eq. 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

Aggregation = Literal["sequence_mean", "token_mean"]


@dataclass(frozen=True)
class LossConfig:
    """The policy-gradient loss."""

    kind: str = "clip"
    """Name of the surrogate in `LOSSES`."""
    clip_low: float = 0.2
    """The ratio is clipped at 1 - clip_low from below, in [0, 1)."""
    clip_high: float = 0.28
    """The ratio is clipped at 1 + clip_high from above, 0 or more."""
    dual_clip: float = 0.0
    """Lower bound of the objective at negative advantage, in advantages, above 1; 0: off. The public code: 3."""
    kl_weight: float = 0.0
    """beta, weight of KL(pi_theta || pi_ref) by the k3 estimator, 0 or more; pi_ref is the policy after the cold start.
    The paper: 0."""
    aggregation: Aggregation = "sequence_mean"
    """"sequence_mean": mean over rows of token means. "token_mean": mean over all tokens."""

    def __post_init__(self) -> None:
        if self.kind not in LOSSES:
            raise ValueError(f"no loss {self.kind!r}; there are {', '.join(LOSSES)}")
        if self.aggregation not in get_args(Aggregation):
            raise ValueError(f"aggregation must be one of {', '.join(get_args(Aggregation))}, got {self.aggregation!r}")
        # Written so that NaN, which compares false with everything, is refused too.
        if not 0 <= self.clip_low < 1 or not self.clip_high >= 0:
            raise ValueError(
                f"clip_low must be in [0, 1) and clip_high 0 or more, got {self.clip_low}, {self.clip_high}"
            )
        if self.dual_clip and not self.dual_clip > 1:
            raise ValueError(f"dual_clip must be above 1, or 0 for off, got {self.dual_clip}")
        if not self.kl_weight >= 0:
            raise ValueError(f"kl_weight must be 0 or more, got {self.kl_weight}")


class LossTerms(NamedTuple):
    """A loss and what it was made of; scalars.

    Attributes:
        loss: to be minimised; carries the gradient.
        clip_fraction: share of tokens whose gradient the clip removed.
        kl: k3 estimate of KL(pi_theta || pi_ref), nats a token; against pi_old where no pi_ref is given.
        ratio_deviation: mean of |rho - 1|.
    """

    loss: Tensor
    clip_fraction: Tensor
    kl: Tensor
    ratio_deviation: Tensor


class Surrogate(NamedTuple):
    """Per-token objective (K,), to be maximised, and where it was clipped."""

    objective: Tensor
    clipped: Tensor


def clip_surrogate(ratio: Tensor, advantages: Tensor, config: LossConfig) -> Surrogate:
    """min(rho A, clip(rho, 1 - eps_low, 1 + eps_high) A), the objective of eq. 8.

    With `dual_clip` c the objective of a negative advantage is at least c * A (Ye et al. 2020; in the public
    implementation, not in the paper).
    """
    plain = ratio * advantages
    bounded = ratio.clamp(1 - config.clip_low, 1 + config.clip_high) * advantages
    objective = torch.minimum(plain, bounded)
    clipped = bounded < plain
    if config.dual_clip:
        floor = config.dual_clip * advantages
        too_low = (advantages < 0) & (objective < floor)
        objective = torch.where(too_low, floor, objective)
        clipped = clipped | too_low
    return Surrogate(objective, clipped)


LOSSES: Mapping[str, Callable[[Tensor, Tensor, LossConfig], Surrogate]] = {"clip": clip_surrogate}
"""(ratio (K,), advantages (K,), settings) -> surrogate, by name."""


def policy_loss(
    policy_logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    action_mask: Tensor,
    config: LossConfig,
    ref_logprobs: Tensor | None = None,
) -> LossTerms:
    """The loss of eq. 8: minus the mean surrogate, plus beta times the KL estimate.

    Args:
        policy_logprobs: log pi_theta, with gradient, (B, T).
        old_logprobs: log pi_old, (B, T).
        advantages: (B, T), detached.
        action_mask: True at trained tokens, (B, T); every row has at least one.
        config: surrogate, clip range, aggregation.
        ref_logprobs: log pi_ref, (B, T); needed with a KL weight.

    Returns:
        Scalars. With "sequence_mean" each row counts 1/B whatever its length, as 1/|H_n| in the paper; we divide by the
        number of rows where the paper divides by M.

    Raises:
        ValueError: shapes differ, a row has no trained token, or pi_ref is missing.
    """
    if config.kl_weight and ref_logprobs is None:
        raise ValueError(f"kl_weight is {config.kl_weight}, but there are no ref_logprobs")
    shapes = {tuple(t.shape) for t in (policy_logprobs, old_logprobs, advantages, action_mask)}
    if len(shapes) != 1:
        raise ValueError(f"log-probs, advantages and mask must have one shape (B, T), got {sorted(shapes)}")
    row_tokens = action_mask.sum(1)
    if not bool((row_tokens > 0).all()):
        raise ValueError(f"rows {(row_tokens == 0).nonzero()[:, 0].tolist()} have no trained token")
    log_ratio = (policy_logprobs - old_logprobs)[action_mask]
    if config.aggregation == "sequence_mean":
        per_row = 1 / (row_tokens.to(log_ratio.dtype) * len(row_tokens))
        weights = per_row[:, None].expand(action_mask.shape)[action_mask]
    else:
        weights = torch.full_like(log_ratio, 1 / len(log_ratio))
    ratio = log_ratio.exp()
    surrogate = LOSSES[config.kind](ratio, advantages[action_mask], config)
    kl = kl_k3(log_ratio if ref_logprobs is None else (policy_logprobs - ref_logprobs)[action_mask])
    loss = -(weights * surrogate.objective).sum()
    if config.kl_weight:
        loss = loss + config.kl_weight * (weights * kl).sum()
    with torch.no_grad():
        return LossTerms(
            loss,
            (weights * surrogate.clipped).sum(),
            (weights * kl).sum(),
            (weights * (ratio - 1).abs()).sum(),
        )


def kl_k3(log_ratio: Tensor) -> Tensor:
    """k3 estimate of KL(pi_theta || pi_ref) a token: exp(-l) - 1 + l, l = log pi_theta - log pi_ref; never negative.

    Source: Schulman, "Approximating KL divergence" (2020).
    """
    return torch.expm1(-log_ratio) + log_ratio
