"""Scoring and selecting branch points, without the forward: against the length x length formulation, and its growth.

The peer computes the discounted sum of eq. 4 with a matrix of length x length a row, as the public implementation does:
268 MB a row at 8,192 tokens, so it is measured a row at a time on a few rows and scaled to all. It is spared the
z-scores and the choice, which our figure holds.
"""

from __future__ import annotations

import math
import time

import torch
from row import Row
from torch import Tensor

from appo_agent.algorithms.branching import Candidates, branching_score, select_branch_tokens, z_score
from appo_agent.algorithms.future import FutureValue, log_future_value
from appo_agent.policies.tiny.model import TinyConfig, TinyModel

ROWS, LENGTH, SHORT = 64, 8192, 2048
PEER_ROWS = 3
REPEATS = 15
BRANCHES = 3
GAMMA = FutureValue().gamma


def rows() -> list[Row]:
    """Time of scoring and selecting for 64 rows of 8,192 tokens."""
    whole, short = _least(_example(LENGTH), _example(SHORT))
    peer, forward = _peer_seconds_a_row() * ROWS, _forward_seconds_a_row() * ROWS
    return [
        Row(
            "score and select, 64 x 8,192",
            whole,
            "s",
            f"length x length {peer:.1f} s, scaled from {PEER_ROWS} rows",
            whole / peer,
            "<= 0.01 (100x faster)",
        ),
        Row(
            "the same against one forward",
            whole,
            "s",
            f"bundled policy {forward:.0f} s, scaled from one row",
            whole / forward,
            "< 0.01 of a whole step",
        ),
        Row(
            "growth from 2,048 to 8,192 tokens",
            whole,
            "s",
            f"2,048 tokens {short:.3f} s",
            whole / short,
            "<= 4.8 (linear: 4)",
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
    # The quickest form found; raising gamma to a matrix of integer powers takes three times as long.
    place = torch.arange(len(log_ratio), dtype=torch.float32)
    weights = (place[None, :] - place[:, None]).clamp_(min=0).mul_(math.log2(GAMMA)).exp2_().triu_()
    return weights @ log_ratio


def _peer_seconds_a_row() -> float:
    log_ratio, _, mask = _example(LENGTH)
    terms = torch.where(mask, log_ratio, 0.0)[: PEER_ROWS + 1]
    _quadratic(terms[PEER_ROWS])
    seconds = []
    for row in terms[:PEER_ROWS]:
        start = time.perf_counter()
        _quadratic(row)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@torch.inference_mode()
def _forward_seconds_a_row() -> float:
    """One forward of the bundled policy over a row, the least that a training step does several times."""
    model = TinyModel(TinyConfig(max_position_embeddings=LENGTH), 164)
    token_ids = torch.zeros(1, LENGTH, dtype=torch.long)
    start = time.perf_counter()
    model.hidden_states(token_ids)
    return time.perf_counter() - start


def _least(*examples: tuple[Tensor, Tensor, Tensor]) -> list[float]:
    """Seconds of each, the least of several runs in turns: other work on the machine only adds, to long runs most."""
    seconds: list[list[float]] = [[] for _ in examples]
    for repeat in range(REPEATS + 1):
        for example, times in zip(examples, seconds, strict=True):
            start = time.perf_counter()
            _score_and_select(*example)
            if repeat:
                times.append(time.perf_counter() - start)
    return [min(times) for times in seconds]
