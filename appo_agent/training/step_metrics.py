"""The figures of one training step, gathered as it runs.

Owns names and meaning of every training metric. Keys read `group/name`; a figure that does not apply to an algorithm is
absent rather than zero.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from appo_agent.algorithms.advantages import has_signal, same_sign
from appo_agent.algorithms.group import Group
from appo_agent.batch import Batch
from appo_agent.policies.base import UpdateMetrics
from appo_agent.types import Rollout, RolloutTree

if TYPE_CHECKING:
    from appo_agent.training.credit import Scored


class StepMetrics:
    """Collects sums and means over the mini-batches of a step."""

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()
        self._means: defaultdict[str, list[float]] = defaultdict(list)
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Wall time of a phase, summed over the step."""
        start = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - start

    def count_rollouts(self, trees: Sequence[RolloutTree]) -> list[RolloutTree]:
        """Count initial rollouts and leave out those whose environment broke."""
        rollouts = [rollout for tree in trees for rollout in tree]
        self._sums["tokens/initial"] += sum(rollout.own_policy_tokens for rollout in rollouts)
        usable = self._usable(rollouts)
        if not usable:
            raise RuntimeError(f"every environment of the step broke; the first error: {rollouts[0].error}")
        for rollout in usable:
            self._means["train/success"].append(float(bool(rollout.info.get("is_success"))))
            self._means["train/reward"].append(rollout.reward)
            self._means["train/format_errors"].append(float(not rollout.info["format_ok"]))
            self._means["train/truncated"].append(float(rollout.truncated))
            self._means["train/policy_tokens"].append(rollout.own_policy_tokens)
            self._means["tools/calls"].append(sum(len(turn.tool_calls) for turn in rollout.turns))
        return [without_errors(tree) for tree in trees]

    def count_branches(self, before: Sequence[RolloutTree], after: Sequence[RolloutTree]) -> list[RolloutTree]:
        """Count the branches that were added and leave out those whose environment broke."""
        for old, new in zip(before, after, strict=True):
            added = new.rollouts[len(old.rollouts) :]
            self._sums["tokens/branches"] += sum(rollout.own_policy_tokens for rollout in added)
            for rollout in self._usable(added):
                self._means["branching/success"].append(float(bool(rollout.info.get("is_success"))))
        return [without_errors(tree) for tree in after]

    def mismatch(self, batch: Batch) -> None:
        """How far the sampler's log-probs are from the learner's at equal weights, nats."""
        if batch.old_logprobs is not None:
            difference = (batch.old_logprobs - batch.behavior_logprobs)[batch.action_mask].abs()
            self._means["mismatch/mean"].append(float(difference.mean()))
            self._means["mismatch/max"].append(float(difference.max()))

    def future_value(self, scored: Scored, mini_batch: int) -> None:
        """Spread of log Omega by mini-batch index: how far pi_theta has moved from pi_old."""
        values = scored.log_omega[scored.batch.action_mask]
        self._means[f"future/log_omega_std_{mini_batch}"].append(float(values.std(unbiased=False)))

    def branch_points(
        self,
        *,
        cold_rows: int,
        rows: int,
        chosen: int,
        wanted: int,
        entropies: Sequence[float],
        places: Sequence[float],
    ) -> None:
        """What one selection did.

        Args:
            cold_rows: sources whose Omega carried no signal.
            rows: sources.
            chosen: branches placed.
            wanted: branches the plan asked for; the difference is unspent budget.
            entropies: entropy at each chosen token, nats.
            places: position of each chosen token within its rollout, in [0, 1).
        """
        self._sums["branching/cold_rows"] += cold_rows
        self._sums["branching/sources"] += rows
        self._sums["branching/branches"] += chosen
        self._sums["branching/unspent"] += wanted - chosen
        self._means["branching/entropy"] += entropies
        self._means["branching/place"] += places

    def group(self, group: Group) -> None:
        """Count groups that teach nothing, and those where Eq. 6 gives all initial rollouts one sign."""
        self._means["advantage/groups_without_signal"].append(float(not has_signal(group.rewards)))
        if bool((group.parent >= 0).any()):
            self._means["advantage/same_sign_groups"].append(float(same_sign(group)))

    def update(self, metrics: UpdateMetrics) -> None:
        """Figures of one optimizer step."""
        self._sums["train/updates"] += 1
        for name, value in metrics._asdict().items():
            self._means[f"update/{name}"].append(value)

    def finish(self) -> dict[str, float]:
        """All figures of the step by name."""
        sums = dict(self._sums)
        sources, cold = sums.pop("branching/sources", 0), sums.pop("branching/cold_rows", 0)
        figures = {name: float(value) for name, value in sums.items()}
        if sources:
            figures["branching/cold_fraction"] = cold / sources
        figures |= {name: sum(values) / len(values) for name, values in self._means.items() if values}
        figures["tokens/generated"] = figures.get("tokens/initial", 0.0) + figures.get("tokens/branches", 0.0)
        figures |= {f"seconds/{name}": seconds for name, seconds in self._seconds.items()}
        return figures

    def _usable(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        usable = [rollout for rollout in rollouts if rollout.error is None]
        self._sums["errors/rollouts"] += len(rollouts) - len(usable)
        return usable


def without_errors(tree: RolloutTree) -> RolloutTree:
    """The tree without rollouts whose environment broke (nothing ever branches from one)."""
    return replace(tree, rollouts=tuple(rollout for rollout in tree if rollout.error is None))
