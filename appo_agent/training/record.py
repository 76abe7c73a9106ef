"""Rollout trees on disk: what the viewer, the diagnosis and the tests read.

Owns the values that a record holds and how a live tree becomes one. The bytes are `record_file`'s. A record
needs neither the policy nor the environment to be read: every span comes with its text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from appo_agent.types import BranchPoint, Rollout, RolloutTree, TokenSpan, Turn
from appo_envs.messages import ToolCall


@dataclass(frozen=True, eq=False)
class TokenArrays:
    """What the trainer knows about a rollout's own policy tokens, (T,) float32 each; None means not recorded.

    Attributes:
        entropies: H, nats.
        omega: future value, not clipped.
        branching_scores: BS.
        advantages: A, final.
        old_logprobs: log pi_old, nats.
        policy_logprobs: log pi_theta, nats.

    Raises:
        ValueError: an array has more than one dimension.
    """

    entropies: NDArray[np.float32] | None = None
    omega: NDArray[np.float32] | None = None
    branching_scores: NDArray[np.float32] | None = None
    advantages: NDArray[np.float32] | None = None
    old_logprobs: NDArray[np.float32] | None = None
    policy_logprobs: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name, values in self.known().items():
            array = np.array(values, np.float32)
            if array.ndim != 1:
                raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def known(self) -> dict[str, NDArray[np.float32]]:
        """The recorded arrays by name."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: array for name, array in values.items() if array is not None}


@dataclass(frozen=True, eq=False)
class SpanRecord:
    """Tokens by one author, and their text."""

    span: TokenSpan
    text: str


@dataclass(frozen=True, eq=False)
class TurnRecord:
    """One turn; in the first turn of a branch the action begins at the branch point."""

    action: SpanRecord
    observation: SpanRecord
    reward: float
    tool_calls: tuple[ToolCall, ...]


@dataclass(frozen=True, eq=False)
class RolloutRecord:
    """One rollout, or the part of it that a branch added.

    Attributes:
        id: unique within its tree.
        origin: where it left its parent; None for an initial rollout.
        reward: sum over its own turns.
        terminated: the environment ended the episode.
        truncated: a limit ended it.
        error: what broke in the environment; None when nothing did.
        policy_version: version of the weights that drew its tokens.
        turns: own turns only.
        arrays: per-token facts, aligned with its own policy tokens.

    Raises:
        ValueError: an array's length is not the number of own policy tokens.
    """

    id: str
    origin: BranchPoint | None
    reward: float
    terminated: bool
    truncated: bool
    error: str | None
    policy_version: int
    turns: tuple[TurnRecord, ...]
    arrays: TokenArrays = field(default_factory=TokenArrays)

    def __post_init__(self) -> None:
        tokens = sum(len(turn.action.span) for turn in self.turns)
        for name, values in self.arrays.known().items():
            if len(values) != tokens:
                raise ValueError(f"rollout {self.id}: {tokens} policy tokens but {len(values)} {name}")


@dataclass(frozen=True, eq=False)
class TreeRecord:
    """All rollouts of one prompt; a parent comes before its branches."""

    task_id: str
    prompt: SpanRecord
    rollouts: tuple[RolloutRecord, ...]


def record_tree(
    tree: RolloutTree, decode: Callable[[Sequence[int]], str], arrays: Mapping[str, TokenArrays] | None = None
) -> TreeRecord:
    """The record of a tree.

    Args:
        tree: the tree.
        decode: token ids to text, special tokens included.
        arrays: by rollout id; rollouts that are missing have none.

    Raises:
        ValueError: an array does not fit its rollout, or belongs to none.
        TypeError: what the environment calls a tool call is not a `ToolCall`.
    """
    known = dict(arrays or {})
    rollouts = tuple(_rollout(rollout, decode, known.pop(rollout.id, TokenArrays())) for rollout in tree)
    if known:
        raise ValueError(f"task {tree.task.id}: arrays for rollouts that it does not have: {sorted(known)}")
    return TreeRecord(tree.task.id, _span(tree.prompt, decode), rollouts)


def _rollout(rollout: Rollout, decode: Callable[[Sequence[int]], str], arrays: TokenArrays) -> RolloutRecord:
    return RolloutRecord(
        id=rollout.id,
        origin=rollout.origin,
        reward=rollout.reward,
        terminated=rollout.terminated,
        truncated=rollout.truncated,
        error=rollout.error,
        policy_version=rollout.policy_version,
        turns=tuple(_turn(turn, decode, rollout.id) for turn in rollout.turns),
        arrays=arrays,
    )


def _turn(turn: Turn, decode: Callable[[Sequence[int]], str], rollout_id: str) -> TurnRecord:
    calls = tuple(_tool_call(call, rollout_id) for call in turn.tool_calls)
    return TurnRecord(_span(turn.action, decode), _span(turn.observation, decode), turn.reward, calls)


def _tool_call(call: object, rollout_id: str) -> ToolCall:
    if not isinstance(call, ToolCall):
        raise TypeError(f"rollout {rollout_id}: expected an appo_envs ToolCall, got {call!r}")
    return call


def _span(span: TokenSpan, decode: Callable[[Sequence[int]], str]) -> SpanRecord:
    return SpanRecord(span, decode(span.token_ids.tolist()))
