"""The figures of one training step, gathered as it runs.

Owns names and meaning of every training metric. Keys read `group/name`; a figure that does not apply to an algorithm is
absent rather than zero.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from appo_agent.algorithms.group import Group, has_signal
from appo_agent.algorithms.readings import same_sign
from appo_agent.batch import Batch
from appo_agent.policies.base import UpdateMetrics
from appo_agent.types import Rollout, RolloutTree

if TYPE_CHECKING:
    from appo_agent.training.credit import Scored


class StepMetrics:
    """Collects sums and means over the mini-batches of a step.

    Attributes:
        first_error: what broke the first environment that broke; None when none did.
    """

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()
        self._means: defaultdict[str, list[float]] = defaultdict(list)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._trained: set[Rollout] = set()
        self.first_error: str | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Wall time of a phase, summed over the step."""
        start = time.perf_counter()
        yield
        self._seconds[name] += time.perf_counter() - start

    def drawn(self, rollouts: Sequence[Rollout]) -> None:
        """Count independent rollouts."""
        self._sums["tokens/initial"] += sum(rollout.own_policy_tokens for rollout in rollouts)
        self._spent(rollouts)
        for rollout in self._usable(rollouts):
            self._means["train/success"].append(float(bool(rollout.info.get("is_success"))))
            self._means["train/reward"].append(rollout.reward)
            self._means["train/format_errors"].append(float(not rollout.info["format_ok"]))
            self._means["train/truncated"].append(float(rollout.truncated))
            self._means["train/policy_tokens"].append(rollout.own_policy_tokens)
            self._means["tools/calls"].append(sum(len(turn.tool_calls) for turn in rollout.turns))
            self._tool_seconds(rollout)

    def branches(self, before: Sequence[RolloutTree], after: Sequence[RolloutTree]) -> None:
        """Count the branches that were added, and those that say what another rollout of the prompt says already."""
        for old, new in zip(before, after, strict=True):
            known = {_path_bytes(old, rollout) for rollout in old}
            grown = new.rollouts[len(old.rollouts) :]
            self._spent(grown)
            self._sums["branching/branches"] += len(grown)
            for rollout in grown:
                self._sums["tokens/branches"] += rollout.own_policy_tokens
                for usable in self._usable([rollout]):
                    path = _path_bytes(new, usable)
                    self._sums["branching/duplicates"] += path in known
                    known.add(path)
                    self._tool_seconds(usable)
                    self._means["branching/success"].append(float(bool(usable.info.get("is_success"))))

    def redrawn(self, groups: int) -> None:
        """Count groups that were thrown away because their rewards were equal."""
        self._sums["groups/redrawn"] += groups

    def filled(self, rollouts: int) -> None:
        """Count fresh rollouts that took the place of branches."""
        self._sums["branching/filled"] += rollouts

    def trained(self, rollouts: Iterable[Rollout]) -> None:
        """Take note of the rollouts of an update: all others are waste."""
        self._trained |= set(rollouts)

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
        generated = figures.get("tokens/initial", 0.0) + figures.get("tokens/branches", 0.0)
        figures["tokens/generated"] = generated
        figures["tokens/wasted"] = generated - sum(rollout.own_policy_tokens for rollout in self._trained)
        figures |= {f"seconds/{name}": seconds for name, seconds in self._seconds.items()}
        return figures

    def _spent(self, rollouts: Sequence[Rollout]) -> None:
        """What a budget could be counted in besides tokens."""
        self._sums["rollouts/drawn"] += len(rollouts)
        self._sums["tools/total"] += sum(len(turn.tool_calls) for rollout in rollouts for turn in rollout.turns)

    def _tool_seconds(self, rollout: Rollout) -> None:
        """Wall time of each call, as the environment measured it."""
        self._means["seconds/tool_call"] += [call.seconds for turn in rollout.turns for call in turn.tool_calls]

    def _usable(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        usable = [rollout for rollout in rollouts if rollout.error is None]
        self._sums["errors/rollouts"] += len(rollouts) - len(usable)
        self.first_error = self.first_error or next((rollout.error for rollout in rollouts if rollout.error), None)
        return usable


def trainable(tree: RolloutTree) -> RolloutTree:
    """The tree without rollouts whose environment broke or whose prompt left no room; nothing branches from those."""
    usable = [rollout for rollout in tree if rollout.error is None and rollout.own_policy_tokens]
    return replace(tree, rollouts=tuple(usable))


def _path_bytes(tree: RolloutTree, rollout: Rollout) -> bytes:
    return b"".join(span.token_ids.tobytes() for span in tree.path(rollout.id))
