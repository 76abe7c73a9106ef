"""Credit: from the rewards of a prompt's rollouts to one number a policy token.

An estimator is a function (group, settings) -> (R, L): the base advantage of every policy token on every rollout's
whole path, L the longest path, 0 beyond a row's length. Owns the settings, the estimators' names, and what comes after
any of them: normalisation over the batch and the future-aware factor. The formulas are in `readings`, `shared_states`
and, where one algorithm alone uses them, in that algorithm's file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from appo_agent.algorithms.group import NO_SIGNAL_BELOW, NORMALIZE_EPS, Group


@dataclass(frozen=True)
class AdvantageConfig:
    """How credit is assigned."""

    estimator: str = "equation"
    """Name of the base advantage: for independent rollouts "single" (one group), "leave_one_out", "reward" (no
    baseline), "turn_groups" (GiGPO); for trees "equation" (eq. 6), "prefix" (the authors' code), "contrast" (against
    branches at the same token), "path_mean" (mean reward of the rollouts that share the token), "tree_groups"
    (Tree-GRPO), "turn_values" (VinePPO); for both "shared_states" (what a choice changed among the rollouts that met
    there)."""
    scale_by_std: bool = True
    """Divide by the group's standard deviation."""
    batch_normalized: bool = False
    """Then subtract the mean over all rollouts of the step and divide by the standard deviation over them."""
    future_weight: float = 0.5
    """b: the final advantage is A_base * (future_offset + b * A_fut), 0 or more."""
    future_offset: float = 1.0
    """What b * A_fut is added to, 0 or more: 1 as in APPO; 0 with b = 1 multiplies by A_fut itself, as FIPO's source
    does."""
    future_aware: bool = True
    """False replaces A_fut by 1 (ablation): the weighting goes, the scale stays."""
    future_clip: tuple[float, float] = (1.0, 1.2)
    """Range of A_fut (eq. 7), 0 < low <= high."""
    cap_negative_ratio_above: float = 0.0
    """Cap A_fut at 1 for tokens with negative advantage whose importance ratio exceeds this; 0: never. The public
    implementation uses 6."""
    train_branches: bool = False
    """Train the branches' own tokens too. The paper uses branches for advantages only."""
    train_prefix: bool = False
    """With train_branches: train a branch's whole path, so that shared tokens are trained once for every rollout that
    holds them, as ARPO and Tree-GRPO do."""
    turn_weight: float = 1.0
    """omega, weight of the turns' groups beside the episodes' ("turn_groups"), 0 or more."""
    turn_discount: float = 0.95
    """Discount a turn of the return-to-go ("turn_groups"), in (0, 1]."""
    engine_weight_cap: float = 0.0
    """C of truncated importance sampling: each advantage is weighted by min(pi_old / pi_sampler, C), because the engine
    that generates is not quite the policy that is trained; 0: off. Source, with C = 2: Yao et al. 2025, "Your Efficient
    RL Framework Secretly Brings You Off-Policy RL Training"."""
    overlong_buffer: int = 0
    """Tokens below the length limit over which a penalty grows from 0 to -1 (DAPO's overlong shaping); 0: none."""

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, got {self.estimator!r}")
        # Written so that NaN, which compares false with everything, is refused too.
        low, high = self.future_clip
        if not 0 < low <= high:
            raise ValueError(f"future_clip must satisfy 0 < low <= high, got {self.future_clip}")
        for name in ("future_weight", "future_offset", "cap_negative_ratio_above", "engine_weight_cap", "turn_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if not self.overlong_buffer >= 0:
            raise ValueError(f"overlong_buffer must be 0 or more, got {self.overlong_buffer}")
        if not 0 < self.turn_discount <= 1:
            raise ValueError(f"turn_discount must be in (0, 1], got {self.turn_discount}")
        if self.future_weight + self.future_offset == 0:
            raise ValueError("future_weight and future_offset are both 0, which makes every advantage 0")
        if self.train_prefix and not self.train_branches:
            raise ValueError("train_prefix needs train_branches: without it no branch is trained at all")


Estimator = Callable[[Group, AdvantageConfig], Tensor]
ESTIMATORS: dict[str, Estimator] = {}
"""Base advantages by name, as settings give it."""


def estimator(function: Estimator) -> Estimator:
    """Decorator: the function's own name becomes a value of `advantage.estimator`.

    Raises:
        ValueError: another function has the name.
    """
    if function.__name__ in ESTIMATORS:
        raise ValueError(f"two advantage estimators are named {function.__name__!r}")
    ESTIMATORS[function.__name__] = function
    return function


def normalize_over_batch(values: Sequence[Tensor]) -> list[Tensor]:
    """(A - mean) / std over the rollouts of a batch, each rollout weighing the same whatever its length.

    Args:
        values: base advantages of each rollout's trained tokens, (T_n,) each; none is empty.

    Returns:
        The same shapes; zeros where the standard deviation is below 1e-3.

    Source: REINFORCE++, arXiv 2501.03262, its global advantage normalisation.
    """
    if not values:
        return []
    mean = torch.stack([row.mean() for row in values]).mean()
    std = torch.stack([(row - mean).square().mean() for row in values]).mean().sqrt()
    if float(std) < NO_SIGNAL_BELOW:
        return [torch.zeros_like(row) for row in values]
    return [(row - mean) / (std + NORMALIZE_EPS) for row in values]


def future_aware(base: Tensor, omega: Tensor, ratio: Tensor, config: AdvantageConfig) -> Tensor:
    """A_i = A_base_i * (1 + b * A_fut_i) with A_fut = clip(Omega) (eq. 7), detached; `future_offset` replaces the 1.

    Args:
        base: A_base, (B, T).
        omega: future value, not clipped, (B, T).
        ratio: importance ratio rho, (B, T); only `cap_negative_ratio_above` reads it.
        config: weight, clip and options.

    Returns:
        (B, T), no gradient.
    """
    low, high = config.future_clip
    weight = omega.clamp(low, high) if config.future_aware else torch.ones_like(omega)
    if config.cap_negative_ratio_above:
        capped = (base < 0) & (ratio > config.cap_negative_ratio_above)
        weight = torch.where(capped, weight.clamp(max=1.0), weight)
    return (base * (config.future_offset + config.future_weight * weight)).detach()


def overlong_penalty(tokens: Tensor, *, limit: int, buffer: int) -> Tensor:
    """What is added to the reward of a long rollout: 0 up to limit - buffer tokens, then linearly down to -1 at limit.

    Args:
        tokens: lengths, (R,).
        limit: tokens at which the penalty is -1; it stays there beyond.
        buffer: tokens over which it grows, 1 to limit.

    Raises:
        ValueError: buffer out of range.

    Source: DAPO, arXiv 2503.14476, eq. 13.
    """
    if not 0 < buffer <= limit:
        raise ValueError(f"the overlong buffer must be 1 to {limit} tokens, the length limit, got {buffer}")
    return -((tokens - (limit - buffer)) / buffer).clamp(0, 1)
