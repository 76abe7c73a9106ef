"""Future value: how much more likely the rest of a rollout has become since it was drawn (eq. 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

EXPONENT_LIMIT = 20.0
"""|log Omega| is clamped to this, nats."""

Distance = Literal["action", "position"]


@dataclass(frozen=True)
class FutureValue:
    """How the future value Omega of a token is computed (eq. 4)."""

    half_life: float = 32.0
    """Distance at which a later token counts half, > 0. Unit: see distance. gamma = 2^(-1/half_life)."""
    distance: Distance = "action"
    """What distance counts: "action" policy tokens (a long tool result must not erase the future), or "position"."""
    drop_ratio_above: float = 0.0
    """Leave tokens whose importance ratio exceeds this out of the sum; 0: none. The public implementation uses 3."""

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false with everything, is refused too.
        if not self.half_life > 0:
            raise ValueError(f"half_life must be positive, got {self.half_life}")
        if self.distance not in get_args(Distance):
            raise ValueError(f"distance must be one of {', '.join(get_args(Distance))}, got {self.distance!r}")
        if not self.drop_ratio_above >= 0:
            raise ValueError(f"drop_ratio_above must be 0 or more, got {self.drop_ratio_above}")

    @property
    def gamma(self) -> float:
        """Discount per unit of distance, in (0, 1]; 1 at an infinite half-life."""
        return 2.0 ** (-1.0 / self.half_life)


def log_future_value(
    log_ratio: Tensor,
    action_mask: Tensor,
    *,
    gamma: float,
    distance: Distance = "action",
    drop_ratio_above: float = 0.0,
) -> Tensor:
    """Log Omega_t = sum_{k >= t} gamma^(distance from t to k) * l_k over policy tokens, clamped to +-20.

    Linear in time and memory: the reverse recurrence S_t = l_t + gamma * S_{t+1} as a first-order filter along each
    row. The public implementation builds a length x length matrix a row.

    Args:
        log_ratio: l, log pi_theta - log pi_old, nats, (B, T). Ignored where `action_mask` is False.
        action_mask: True where the policy wrote the token, (B, T).
        gamma: discount, in (0, 1].
        distance: "action" counts policy tokens between t and k, "position" counts all.
        drop_ratio_above: tokens with exp(l) above it add nothing; 0: all add.

    Returns:
        (B, T), 0 where `action_mask` is False.

    Raises:
        ValueError: shapes differ; gamma out of range.

    Source: APPO, eq. 4.
    """
    if log_ratio.shape != action_mask.shape or log_ratio.dim() != 2:
        raise ValueError(
            f"log_ratio {tuple(log_ratio.shape)} and action_mask {tuple(action_mask.shape)} must be one (B, T)"
        )
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma must be in (0, 1], got {gamma}")
    terms = torch.where(action_mask, log_ratio, 0.0)
    if drop_ratio_above:
        terms = torch.where(terms.exp() > drop_ratio_above, 0.0, terms)
    # Summation in float64: at 8,192 tokens float32 would lose what tells neighbours apart.
    values = terms.detach().cpu().double().numpy()
    mask = action_mask.cpu().numpy()
    sums = _discounted(values, gamma) if distance == "position" else _discounted_by_action(values, mask, gamma)
    result = torch.from_numpy(sums).to(log_ratio).clamp(-EXPONENT_LIMIT, EXPONENT_LIMIT)
    return torch.where(action_mask, result, 0.0)


def future_value(log_ratio: Tensor, action_mask: Tensor, *, gamma: float, clip: tuple[float, float]) -> Tensor:
    """Discounted influence of a token on the rest of its rollout.

    omega_t = clip(exp(sum_{k>=t} gamma^(k-t) l_k), low, high); k-t counts policy tokens.

    Args:
        log_ratio: l, log pi_theta - log pi_old, nats, (B, T).
        action_mask: True where the policy wrote the token, (B, T).
        gamma: discount per policy token, in (0, 1].
        clip: (low, high), 0 < low <= 1 <= high.

    Returns:
        (B, T) in [low, high]; 1 where action_mask is False.

    Raises:
        ValueError: shapes differ; gamma or clip out of range.

    Source: APPO, eq. 4.
    """
    low, high = clip
    if not 0 < low <= 1 <= high:
        raise ValueError(f"clip must satisfy 0 < low <= 1 <= high, got {clip}")
    return log_future_value(log_ratio, action_mask, gamma=gamma).exp().clamp(low, high)


def _discounted(values: np.ndarray, gamma: float) -> np.ndarray:
    """S_t = v_t + gamma * S_{t+1} along each row."""
    sums = np.asarray(lfilter([1.0], [1.0, -gamma], values[:, ::-1], axis=1))
    return sums[:, ::-1].copy()


def _discounted_by_action(values: np.ndarray, mask: np.ndarray, gamma: float) -> np.ndarray:
    """As `_discounted`, over the policy tokens alone: they are pushed together, filtered and put back."""
    counts = mask.sum(1)
    place = np.arange(counts.max(initial=0))[None] < counts[:, None]
    packed = np.zeros(place.shape)
    packed[place] = values[mask]
    sums = np.zeros(values.shape)
    if packed.size:
        sums[mask] = _discounted(packed, gamma)[place]
    return sums
