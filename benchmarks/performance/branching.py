"""Scoring and selecting branch points, without the forward: against the length x length formulation, and its growth.

The peer computes the discounted sum of eq. 4 with a matrix of length x length a row, as the public implementation does;
at 8,192 tokens that is 268 MB a row, so it is measured a row at a time on a few rows and scaled to all.
"""

from __future__ import annotations

import statistics
import time

import torch
from row import Row
from torch import Tensor

from appo_agent.algorithms.branching import Candidates, branching_score, select_branch_tokens, z_score
from appo_agent.algorithms.future import FutureValue, log_future_value

ROWS, LENGTH, SHORT = 64, 8192, 2048
PEER_ROWS = 2
REPEATS = 5
BRANCHES = 3
GAMMA = FutureValue().gamma
STEP_TOKENS_A_SECOND = 20_000
"""A step (generation, forward, backward) of even the bundled policy on one core is slower than this."""


def rows() -> list[Row]:
    """Time of scoring and selecting for 64 rows of 8,192 tokens."""
    whole, short = _median(_example(LENGTH)), _median(_example(SHORT))
    log_ratio = _example(LENGTH)[0]
    start = time.perf_counter()
    for row in range(PEER_ROWS):
        _quadratic(log_ratio[row])
    peer = (time.perf_counter() - start) / PEER_ROWS * ROWS
    step = ROWS * LENGTH / STEP_TOKENS_A_SECOND
    return [
        Row(
            "score and select, 64 x 8,192",
            whole,
            "s",
            f"length x length {peer:.1f} s, from {PEER_ROWS} rows",
            whole / peer,
            "<= 0.01",
        ),
        Row("the same, share of a step", whole, "s", f"step at 20,000 tokens/s {step:.0f} s", whole / step, "< 0.01"),
        Row(
            "growth from 2,048 to 8,192 tokens", whole, "s", f"2,048 tokens {short:.3f} s", whole / short, "4 (linear)"
        ),
    ]


def _example(length: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (ROWS, length)
    mask = torch.rand(shape, generator=generator) < 0.7
    return torch.randn(shape, generator=generator) * 0.05, torch.rand(shape, generator=generator), mask


def _score_and_select(log_ratio: Tensor, entropy: Tensor, mask: Tensor) -> None:
    log_omega = log_future_value(log_ratio, mask, gamma=GAMMA)
    entropy_z = z_score(entropy, mask)
    omega_z = z_score(log_omega.exp().clamp(0.8, 1.2), mask)
    branching_score(entropy_z, omega_z)
    none = torch.zeros(mask.shape, dtype=torch.bool)
    candidates = Candidates(entropy_z, omega_z, log_omega, mask, entropy, none)
    select_branch_tokens(candidates, BRANCHES, criterion="branching_score", rule="strict")


def _quadratic(log_ratio: Tensor) -> Tensor:
    place = torch.arange(len(log_ratio))
    distance = place[None, :] - place[:, None]
    weights = torch.where(distance >= 0, GAMMA ** distance.clamp(min=0).float(), torch.zeros(()))
    return weights @ log_ratio


def _median(example: tuple[Tensor, Tensor, Tensor]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        _score_and_select(*example)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
