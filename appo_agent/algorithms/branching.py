"""Where to branch: the Branching Score and the rules that turn it into tokens (section 2).

Everything is vectorised over rows; a row is a source rollout and its eligible tokens are those of its own that may be
drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from appo_agent.algorithms.plan import Rule

CONSTANT_BELOW = 1e-6
"""Values with a smaller standard deviation are constant: every z-score is 0."""
COLD_BELOW_FLOORS = 3.0
"""log Omega whose spread is at most this many noise floors carries no signal."""
WEIGHTED_SUM_WEIGHT = 0.5


class Candidates(NamedTuple):
    """What criteria rank tokens by; all (B, T).

    Attributes:
        entropy: Z(H), z-scores of the token entropies over the eligible tokens of the row.
        omega: Z(clip(Omega)), likewise; all 0 in a cold row.
        log_omega: log Omega, not clipped.
        eligible: True where a token may be drawn again.
        noise: uniform numbers in [0, 1), for "random" and for "position".
        tool_boundary: True at the first policy token after each tool result, whatever it is.
    """

    entropy: Tensor
    omega: Tensor
    log_omega: Tensor
    eligible: Tensor
    noise: Tensor
    tool_boundary: Tensor


class BranchTokens(NamedTuple):
    """Chosen tokens by row.

    Attributes:
        positions: (B, K) columns, best first; only the first `counts[row]` are meant.
        counts: (B,) how many were found, at most K.
    """

    positions: Tensor
    counts: Tensor


def z_score(values: Tensor, eligible: Tensor) -> Tensor:
    """(x - mean) / population std over the eligible tokens of each row; 0 elsewhere and in constant rows.

    Args:
        values: (B, T).
        eligible: (B, T) bool.
    """
    # In place on one float64 copy: at 64 rows of 8,192 tokens each further temporary costs as much as the arithmetic.
    centred = torch.where(eligible, values.double(), 0.0)
    count = eligible.sum(1, keepdim=True).clamp(min=1).double()
    centred.sub_(centred.sum(1, keepdim=True) / count).masked_fill_(~eligible, 0.0)
    deviation = torch.linalg.vector_norm(centred, dim=1, keepdim=True) / count.sqrt()
    scale = torch.where(deviation > CONSTANT_BELOW, deviation.reciprocal(), 0.0)
    return centred.mul_(scale).to(values.dtype)


def branching_score(entropy_z: Tensor, omega_z: Tensor) -> Tensor:
    """BS = Z(clip(Omega)) * Z(H), eq. 5. In a cold row, where every Z(Omega) is 0, BS = Z(H)."""
    return _unless_cold(entropy_z * omega_z, entropy_z, omega_z)


def _unless_cold(score: Tensor, entropy_z: Tensor, omega_z: Tensor) -> Tensor:
    """The score; Z(H) in rows where Omega says nothing: cold ones, and those whose clipped Omega is constant."""
    return torch.where((omega_z == 0).all(1, keepdim=True), entropy_z, score)


def is_cold(log_omega: Tensor, mask: Tensor, noise_floor: float) -> bool:
    """Whether the spread of log Omega over the masked tokens is at most three noise floors.

    Args:
        log_omega: (B, T).
        mask: (B, T) bool.
        noise_floor: std of log Omega between two forwards at equal weights in different batch shapes.
    """
    values = log_omega[mask]
    return len(values) < 2 or float(values.std(unbiased=False)) <= COLD_BELOW_FLOORS * noise_floor


def _early(c: Candidates) -> Tensor:
    """Uniform over the first half of the eligible tokens: the control for 'early is better'."""
    rank = c.eligible.cumsum(1) - 1
    early = rank < (c.eligible.sum(1, keepdim=True) + 1) // 2
    return torch.where(early, 1 + c.noise, c.noise)


CRITERIA: Mapping[str, Callable[[Candidates], Tensor]] = {
    "branching_score": lambda c: branching_score(c.entropy, c.omega),
    "entropy": lambda c: c.entropy,
    "weighted_sum": lambda c: WEIGHTED_SUM_WEIGHT * c.entropy + (1 - WEIGHTED_SUM_WEIGHT) * c.omega,
    "omega": lambda c: _unless_cold(c.omega, c.entropy, c.omega),
    "abs_log_omega": lambda c: _unless_cold(c.log_omega.abs(), c.entropy, c.omega),
    "random": lambda c: c.noise,
    "position": _early,
    "tool_boundary": lambda c: c.noise,
}
"""Value of each criterion, (B, T), higher is better; (B, T) of candidates in. Those that read Omega rank a cold row by
Z(H): otherwise noise would choose, or, where all values are equal, the order of the tokens."""


def select_branch_tokens(candidates: Candidates, count: int, *, criterion: str, rule: Rule) -> BranchTokens:
    """The top tokens of each row under a criterion.

    Under "branching_score" with the strict rule tokens with Z(H) > 0 and Z(Omega) > 0 come first, by score; then, if
    there are too few, those with Z(H) > 0 by Z(H); never one with both negative. A cold row has Z(Omega) = 0 throughout
    and is ranked by Z(H) alone. "tool_boundary" draws among the first tokens after tool results; a row without any has
    none to give. Other criteria rank every eligible token.

    Args:
        candidates: what is known of each token, (B, T).
        count: K, tokens wanted a row, at least 1.
        criterion: a name in `CRITERIA`.
        rule: "strict" or "product".

    Returns:
        Positions, best first, and how many each row has.

    Raises:
        ValueError: unknown criterion, or count below 1.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"no criterion {criterion!r}; there are {', '.join(CRITERIA)}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    score = CRITERIA[criterion](candidates).double()
    allowed = candidates.tool_boundary if criterion == "tool_boundary" else candidates.eligible
    if criterion == "branching_score" and rule == "strict":
        score = strict_score(score, candidates)
        allowed = allowed & (candidates.entropy > 0)
    return BranchTokens(_best(score.masked_fill(~allowed, -torch.inf), count), allowed.sum(1).clamp(max=count))


def strict_score(score: Tensor, candidates: Candidates) -> Tensor:
    """The Branching Score in the order of the strict rule, (B, T).

    Scores of tokens with Z(H) > 0 and Z(Omega) > 0 are positive; Z(H) > 0 of the fill class becomes -1 / Z(H) < 0 with
    its order kept. What stands at tokens with Z(H) <= 0 means nothing: they are never chosen.
    """
    both = (candidates.entropy > 0) & (candidates.omega > 0)
    return torch.where(both, score, candidates.entropy.double().reciprocal().neg_())


def _best(score: Tensor, count: int) -> Tensor:
    """(B, count) columns of the largest values, best first, ties by column.

    A pass over the row for each of the few wanted: linear in its length, where a sort took half of all the time of
    scoring and selecting at 8,192 tokens. Overwrites `score`.
    """
    positions = torch.zeros(len(score), count, dtype=torch.long, device=score.device)
    for rank in range(min(count, score.shape[1])):
        # `max` names the first of equal values, so that the choice does not depend on the padding.
        column = score.max(1, keepdim=True).indices
        positions[:, rank : rank + 1] = column
        score.scatter_(1, column, -torch.inf)
    return positions
