"""Rollout trees to padded tensors: the only place where rollouts become rows.

Owns samples, padding and the map between a rollout's policy tokens and tensor positions. Rows carry the identity of
their rollout with them; nothing is ever looked up by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from appo_agent.algorithms.group import Group, Turns
from appo_agent.types import Rollout, RolloutTree, TokenSpan


class SampleKey(NamedTuple):
    """Which rollout a row is: position of its tree in the step, and its id in the tree."""

    tree: int
    rollout: str


@dataclass(frozen=True, eq=False)
class Sample:
    """One rollout as a row before padding.

    Attributes:
        key: the rollout's identity.
        token_ids: (T,) the whole path from the prompt.
        own: (T,) True where the policy wrote the token in this rollout's own turns; in a sample of the whole path, in
            any turn.
        behavior_logprobs: (T,) as the sampler reported them; 0 outside `own`.
        inherited: number of policy tokens on the path before the first of `own`.
    """

    key: SampleKey
    token_ids: NDArray[np.int64]
    own: NDArray[np.bool_]
    behavior_logprobs: NDArray[np.float32]
    inherited: int


def sample_of(tree_index: int, tree: RolloutTree, rollout: Rollout, *, whole_path: bool = False) -> Sample:
    """The sample of one rollout. The last observation is left out: no policy token comes after it.

    Args:
        tree_index: position of the tree in the step.
        tree: holds the rollout.
        rollout: which one.
        whole_path: mark the tokens that it shares with its ancestors too.
    """
    path = tree.path(rollout.id)
    own_from = 0 if whole_path else len(path) - 2 * len(rollout.turns)
    ids, own, logprobs = [], [], []
    for place, span in enumerate(path[:-1]):
        is_own = span.author == "policy" and place >= own_from
        ids.append(span.token_ids)
        own.append(np.full(len(span), is_own))
        recorded = span.behavior_logprobs if is_own else None
        logprobs.append(np.zeros(len(span), np.float32) if recorded is None else recorded)
    return Sample(
        key=SampleKey(tree_index, rollout.id),
        token_ids=np.concatenate(ids),
        own=np.concatenate(own),
        behavior_logprobs=np.concatenate(logprobs),
        inherited=0 if whole_path else tree.path_policy_tokens_before(rollout),
    )


@dataclass(frozen=True, eq=False)
class Batch:
    """Rollouts as rows, padded on the right.

    Attributes:
        keys: identity of each row.
        token_ids: (B, T) int64.
        attention_mask: (B, T) bool, False at padding.
        action_mask: (B, T) bool, True at the rollout's own policy tokens (in rows of a whole path, at all): what may be
            trained, scored or branched.
        behavior_logprobs: (B, T) as the sampler reported them.
        old_logprobs: (B, T) under pi_old by the learner; None means not yet known.
        ref_logprobs: (B, T) under pi_ref; None unless the loss has a KL term.
        advantages: (B, T) final advantages; None means not yet known.
        inherited: (B,) policy tokens of the path before the first of `action_mask`.
    """

    keys: tuple[SampleKey, ...]
    token_ids: Tensor
    attention_mask: Tensor
    action_mask: Tensor
    behavior_logprobs: Tensor
    inherited: Tensor
    old_logprobs: Tensor | None = None
    ref_logprobs: Tensor | None = None
    advantages: Tensor | None = None

    @classmethod
    def from_samples(cls, samples: Sequence[Sample]) -> Batch:
        """Pad samples, in order."""
        if not samples:
            raise ValueError("a batch needs at least one sample")
        return cls(
            keys=tuple(sample.key for sample in samples),
            token_ids=_pad([sample.token_ids for sample in samples]),
            attention_mask=_pad([np.ones(len(sample.token_ids), np.bool_) for sample in samples]),
            action_mask=_pad([sample.own for sample in samples]),
            behavior_logprobs=_pad([sample.behavior_logprobs for sample in samples]),
            inherited=torch.tensor([sample.inherited for sample in samples]),
        )

    @classmethod
    def concat(cls, parts: Sequence[Batch]) -> Batch:
        """The rows of several batches, padded to the widest. All must know the same facts."""
        width = max(part.token_ids.shape[1] for part in parts)
        joined = {
            name: torch.cat([_widen(getattr(part, name), width) for part in parts]) for name, _ in parts[0]._tensors()
        }
        return replace(parts[0], keys=tuple(key for part in parts for key in part.keys), **joined)

    def __len__(self) -> int:
        return len(self.keys)

    def select(self, rows: ArrayLike | Tensor) -> Batch:
        """These rows, without columns that are padding in all of them."""
        index = torch.as_tensor(rows, dtype=torch.long)
        width = int(self.attention_mask[index].sum(1).max()) if len(index) else 0
        chosen = {
            name: value[index][:, :width] if value.dim() == 2 else value[index] for name, value in self._tensors()
        }
        return replace(self, keys=tuple(self.keys[row] for row in index.tolist()), **chosen)

    def micro_batches(self, max_tokens: int) -> list[list[int]]:
        """Which rows go together in micro-batches of at most `max_tokens` padded tokens (but at least one row).

        Rows of like length go together, the longest first: so little is padding, and memory runs out at once or never.
        All rows stay in their order if they fit into one.
        """
        lengths = self.attention_mask.sum(1).tolist()
        if len(self) * max(lengths, default=0) <= max_tokens:
            return [list(range(len(self)))]
        parts: list[list[int]] = []
        for row in sorted(range(len(self)), key=lambda row: -lengths[row]):
            if parts and lengths[parts[-1][0]] * (len(parts[-1]) + 1) <= max_tokens:
                parts[-1].append(row)
            else:
                parts.append([row])
        return parts

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        return replace(self, **{name: value.to(device) for name, value in self._tensors()})

    def _tensors(self) -> list[tuple[str, Tensor]]:
        values = [(item.name, getattr(self, item.name)) for item in fields(self)]
        return [(name, value) for name, value in values if isinstance(value, Tensor)]


def group_of(tree: RolloutTree) -> Group:
    """The tree as the advantage formulas see it: rewards, parents, where branches leave, turns and words."""
    place = {rollout.id: index for index, rollout in enumerate(tree)}
    inherited = [tree.path_policy_tokens_before(rollout) for rollout in tree]
    parent = [-1 if rollout.origin is None else place[rollout.origin.parent] for rollout in tree]
    turns = _turns_of(tree)
    return Group(
        rewards=turns.rewards.sum(1),
        parent=torch.tensor(parent),
        branch_at=torch.tensor([before if up >= 0 else -1 for before, up in zip(inherited, parent, strict=True)]),
        lengths=torch.tensor([b + rollout.own_policy_tokens for b, rollout in zip(inherited, tree, strict=True)]),
        turns=turns,
        words=_words_of(tree),
    )


def _turns_of(tree: RolloutTree) -> Turns:
    paths = [tree.path_turns(rollout.id) for rollout in tree]
    width = max(map(len, paths))
    starts = np.full((len(paths), width), -1, np.int64)
    states = np.full((len(paths), width), -1, np.int64)
    rewards = np.zeros((len(paths), width), np.float32)
    numbers: dict[bytes, int] = {}
    for row, path in enumerate(paths):
        seen, start = tree.prompt, 0
        for column, turn in enumerate(path):
            starts[row, column], rewards[row, column] = start, turn.reward
            states[row, column] = numbers.setdefault(seen.token_ids.tobytes(), len(numbers))
            seen, start = turn.observation, start + turn.policy_tokens
    return Turns(torch.from_numpy(starts), torch.from_numpy(states), torch.from_numpy(rewards))


def _words_of(tree: RolloutTree) -> Tensor:
    # Without the prompt, and without what the environment said when it was over.
    paths = [tree.path(rollout.id)[1:-1] for rollout in tree]
    marked = [[2 * span.token_ids + _by_policy(span) for span in path] for path in paths]
    return _pad([np.concatenate(path) for path in marked], fill=-1)


def _by_policy(span: TokenSpan) -> int:
    return int(span.author == "policy")


def place_on_actions(batch: Batch, values: Sequence[Tensor]) -> Tensor:
    """Spread per-path values over the batch: row b gets `values[b]`, (policy tokens of the path,), at its own tokens.

    Returns:
        (B, T), 0 outside `action_mask`.
    """
    placed = torch.zeros(batch.token_ids.shape, dtype=values[0].dtype)
    for row, path_values in enumerate(values):
        mask = batch.action_mask[row]
        start = int(batch.inherited[row])
        placed[row, mask] = path_values[start : start + int(mask.sum())]
    return placed


def _widen(values: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, width - values.shape[1])) if values.dim() == 2 else values


def _pad(rows: Sequence[NDArray], fill: int = 0) -> Tensor:
    padded = np.full((len(rows), max(map(len, rows))), fill, dtype=rows[0].dtype)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)
