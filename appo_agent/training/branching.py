"""Branch points from scores: where the Branching Score meets a step's rollouts.

Owns what the formulas cannot know: which tokens are eligible, which rows are cold, which rollouts are sources, and the
addresses of the chosen tokens. The formulas are in `algorithms.branching`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from appo_agent.algorithms.branching import (
    Candidates,
    branching_score,
    is_cold,
    select_branch_tokens,
    z_score,
)
from appo_agent.algorithms.future import FutureValue
from appo_agent.algorithms.plan import ScoreBranches
from appo_agent.batch import Batch, SampleKey
from appo_agent.policies.base import Learner, Tokenizer
from appo_agent.rollout.branch import PlacedBranch
from appo_agent.rollout.turns import turns_after_results
from appo_agent.training.credit import Scored, log_omega
from appo_agent.types import BranchPoint, RolloutTree
from appo_envs.seeding import derive_seed

if TYPE_CHECKING:
    from appo_agent.training.step_metrics import StepMetrics


class BranchChooser:
    """Chooses where a mini-batch branches.

    Args:
        plan: how many branches, by what criterion.
        future: how Omega is computed.
        tokenizer: decodes tokens, to tell words from punctuation.
        learner: its version tells which rows are cold; with the "lagged" cold start it also scores with the weights
            before the last update.

    Attributes:
        plan: as given.
        noise_floor: std of log Omega between two forwards at equal weights in different batch shapes, measured at the
            first mini-batch that could be warm; None before. Part of what a resumed run must know.
    """

    def __init__(self, plan: ScoreBranches, future: FutureValue, tokenizer: Tokenizer, learner: Learner) -> None:
        self.plan, self._future, self._tokenizer, self._learner = plan, future, tokenizer, learner
        self.noise_floor: float | None = None
        self._is_word: dict[int, bool] = {}

    def choose(
        self, trees: Sequence[RolloutTree], scored: Sequence[Scored], seed: int, metrics: StepMetrics
    ) -> tuple[list[Scored], list[PlacedBranch]]:
        """Branch points for the trees of the scored rows.

        Args:
            trees: the step's trees.
            scored: every rollout grown so far in the mini-batch's trees.
            seed: draws the sources and the noise of "random" and "position".
            metrics: counts what was chosen.

        Returns:
            The same rows with their Branching Scores, and the branches in a fixed order.
        """
        sources = self._sources([key for part in scored for key in part.batch.keys], seed)
        rated: list[Scored] = []
        placed: list[PlacedBranch] = []
        for part in scored:
            rows = [row for row, key in enumerate(part.batch.keys) if key in sources]
            candidates, cold = self.candidates(trees, part, seed)
            scores = branching_score(candidates.entropy, candidates.omega)
            rated.append(part._replace(branching_scores=scores))
            if rows:
                placed += self._place(trees, part, candidates, scores, cold, rows, metrics)
        return rated, placed

    def _sources(self, keys: Sequence[SampleKey], seed: int) -> set[SampleKey]:
        """S rollouts of each tree, drawn without replacement from everything grown so far."""
        chosen: set[SampleKey] = set()
        for tree in sorted({key.tree for key in keys}):
            grown = sorted(key for key in keys if key.tree == tree)
            rng = np.random.default_rng(derive_seed(seed, "sources", tree))
            count = min(self.plan.sources, len(grown))
            chosen |= {grown[index] for index in rng.choice(len(grown), count, replace=False)}
        return chosen

    def candidates(self, trees: Sequence[RolloutTree], part: Scored, seed: int) -> tuple[Candidates, Tensor]:
        """What the criteria rank the tokens of some rows by, and (B,) which rows are cold.

        Args:
            trees: the step's trees.
            part: the rows.
            seed: draws the noise of "random" and "position".
        """
        batch = part.batch
        eligible = batch.action_mask & self._words(batch.token_ids)
        omega_log = part.log_omega
        cold = self._cold_rows(trees, part)
        if self.plan.cold_start == "lagged" and bool(cold.any()):
            lagged = self._lagged_log_omega(part)
            if lagged is not None:
                omega_log = torch.where(cold[:, None], lagged, omega_log)
                cold = torch.zeros_like(cold)
        low, high = self.plan.omega_clip
        omega_z = z_score(omega_log.exp().clamp(low, high), eligible)
        noise = torch.rand(batch.token_ids.shape, generator=torch.Generator().manual_seed(derive_seed(seed, "noise")))
        candidates = Candidates(
            entropy=z_score(part.scores.entropies, eligible),
            omega=torch.where(cold[:, None], 0.0, omega_z),
            log_omega=omega_log,
            eligible=eligible,
            noise=noise,
            tool_boundary=_after_results(trees, batch),
        )
        return candidates, cold

    def _cold_rows(self, trees: Sequence[RolloutTree], part: Scored) -> Tensor:
        """(B,) True where Omega is numerical noise: same weights as pi_old, or a spread below the noise floor."""
        keys = part.batch.keys
        versions = torch.tensor([trees[key.tree].rollout(key.rollout).policy_version for key in keys])
        cold = versions == self._learner.version
        if bool(cold.all()):
            return cold
        if self.noise_floor is None:
            self.noise_floor = self._measure_noise_floor(part.batch)
        moved = ~cold
        if is_cold(part.log_omega[moved], part.batch.action_mask[moved], self.noise_floor):
            return torch.ones_like(cold)
        return cold

    def _measure_noise_floor(self, batch: Batch) -> float:
        together = self._learner.score(batch).logprobs
        apart = torch.zeros_like(together)
        for row in range(len(batch)):
            alone = self._learner.score(batch.select([row])).logprobs[0]
            apart[row, : len(alone)] = alone
        values = log_omega(together - apart, batch, self._future)[batch.action_mask]
        return float(values.std(unbiased=False))

    def _lagged_log_omega(self, part: Scored) -> Tensor | None:
        previous = self._learner.score_previous(part.batch)
        if previous is None:
            return None
        return log_omega(part.scores.logprobs - previous.logprobs, part.batch, self._future)

    def _place(
        self,
        trees: Sequence[RolloutTree],
        part: Scored,
        candidates: Candidates,
        scores: Tensor,
        cold: Tensor,
        rows: list[int],
        metrics: StepMetrics,
    ) -> list[PlacedBranch]:
        plan, batch = self.plan, part.batch
        chosen = select_branch_tokens(
            Candidates(*(values[rows] for values in candidates)),
            plan.branches,
            criterion=plan.criterion,
            rule=plan.rule,
        )
        placed: list[PlacedBranch] = []
        entropies: list[float] = []
        places: list[float] = []
        # Index of each token among the row's own policy tokens.
        own_index = batch.action_mask.cumsum(1) - 1
        for row, positions, count in zip(rows, chosen.positions.tolist(), chosen.counts.tolist(), strict=True):
            key = batch.keys[row]
            rollout = trees[key.tree].rollout(key.rollout)
            for position in positions[:count]:
                index = int(own_index[row, position])
                turn, token = rollout.address(index)
                point = BranchPoint(key.rollout, turn, token, float(scores[row, position]))
                placed.append(PlacedBranch(key.tree, point))
                entropies.append(float(part.scores.entropies[row, position]))
                places.append(index / rollout.own_policy_tokens)
        metrics.branch_points(
            cold_rows=int(cold[rows].sum()),
            rows=len(rows),
            chosen=len(placed),
            wanted=len(rows) * plan.branches,
            entropies=entropies,
            places=places,
        )
        return placed

    def _words(self, token_ids: Tensor) -> Tensor:
        """True where a token holds a letter or a digit: white space and bare punctuation are no decisions."""
        for token_id in token_ids.unique().tolist():
            if token_id not in self._is_word:
                self._is_word[token_id] = any(c.isalnum() for c in self._tokenizer.decode([token_id]))
        table = torch.zeros(int(token_ids.max()) + 1, dtype=torch.bool)
        known = [token_id for token_id, word in self._is_word.items() if word and token_id < len(table)]
        table[known] = True
        return table[token_ids]


def _after_results(trees: Sequence[RolloutTree], batch: Batch) -> Tensor:
    """(B, T) True at the first token of each of a row's own turns that follow a tool result."""
    marked = torch.zeros_like(batch.action_mask)
    for row, key in enumerate(batch.keys):
        rollout = trees[key.tree].rollout(key.rollout)
        columns = batch.action_mask[row].nonzero()[:, 0]
        marked[row, columns[[rollout.flat_index(turn, 0) for turn in turns_after_results(rollout)]]] = True
    return marked
