"""Keys and values of the sequences that the tiny sampler has seen, valid for one version of the weights.

Owns which row holds which sequence, reuse between turns, and the memory. The sampler does the arithmetic and tells the
cache what each row holds afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GROWTH = 32
"""Positions are added in steps of this many, so that a growing turn seldom moves memory."""


class Continuation(NamedTuple):
    """A sequence found in the cache: its row and how many of its leading tokens are computed."""

    row: int
    length: int


class SharedPrefill(NamedTuple):
    """Which sequences must be computed and which are prefixes of those.

    Attributes:
        computed: indices of sequences that no other one starts with.
        source: for every sequence the position in `computed` of one that starts with it.
    """

    computed: list[int]
    source: list[int]


def share_prefixes(sequences: Sequence[NDArray[np.int64]]) -> SharedPrefill:
    """Group sequences so that each common prefix is computed once.

    The branches of one rollout are prefixes of one another and the rollouts of one prompt start equal, so this turns
    them into one prefill each.
    """
    # Big-endian bytes sort as the token ids do, so a prefix comes directly before something that starts with it.
    keys = [sequence.astype(">i8").tobytes() for sequence in sequences]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    computed: list[int] = []
    source = [0] * len(keys)
    for place in reversed(range(len(order))):
        index = order[place]
        if not computed or not keys[computed[-1]].startswith(keys[index]):
            computed.append(index)
        source[index] = len(computed) - 1
    return SharedPrefill(computed, source)


class KeyValueCache:
    """Keys and values of whole sequences by row.

    Args:
        layers, heads, head_size: shape of the model.

    The tensor `kv` is (layers, 2, rows, heads, positions, head size).
    """

    def __init__(self, layers: int, heads: int, head_size: int) -> None:
        self._shape = (layers, heads, head_size)
        self.version = -1
        self.clear(version=-1)

    def clear(self, version: int) -> None:
        """Drop everything; what is stored from now on belongs to these weights."""
        layers, heads, head_size = self._shape
        self.version = version
        self.kv = torch.zeros(layers, 2, 0, heads, 0, head_size)
        self._rows: dict[bytes, int] = {}
        self._lengths: list[int] = []

    def find(self, token_ids: NDArray[np.int64], version: int) -> Continuation | None:
        """The longest stored sequence that these tokens continue under these weights.

        At least one token is left to be computed, because the next token is drawn from its hidden state.
        """
        if version != self.version:
            return None
        for length in self._lengths:
            if length < len(token_ids):
                row = self._rows.get(token_ids[:length].tobytes())
                if row is not None:
                    return Continuation(row, length)
        return None

    def select(self, rows: Sequence[int | None], positions: int) -> None:
        """Make row i what row `rows[i]` was (None: new), with room for this many positions."""
        layers, _, old_rows, heads, old_positions, head_size = self.kv.shape
        unchanged = list(rows) == list(range(old_rows))
        if not unchanged or positions > old_positions:
            room = -(-positions // GROWTH) * GROWTH
            kept = [i for i, row in enumerate(rows) if row is not None]
            moved = torch.zeros(layers, 2, len(rows), heads, max(room, old_positions), head_size)
            if kept:
                source = torch.tensor([row for row in rows if row is not None])
                moved[:, :, torch.tensor(kept), :, :old_positions] = self.kv[:, :, source]
            self.kv = moved
        self._rows, self._lengths = {}, []

    def reserve(self, positions: int) -> None:
        """Make room for this many positions, keeping every row."""
        self.kv = with_positions(self.kv, positions)

    def remember(self, sequences: Sequence[NDArray[np.int64]]) -> None:
        """Say which tokens each row now holds keys and values for."""
        self._rows = {sequence.tobytes(): row for row, sequence in enumerate(sequences)}
        self._lengths = sorted({len(sequence) for sequence in sequences}, reverse=True)


def with_positions(kv: Tensor, positions: int) -> Tensor:
    """The same keys and values with room for at least this many positions."""
    if positions <= kv.shape[4]:
        return kv
    room = -(-positions // GROWTH) * GROWTH
    grown = torch.zeros(*kv.shape[:4], room, kv.shape[5])
    grown[:, :, :, :, : kv.shape[4]] = kv
    return grown
