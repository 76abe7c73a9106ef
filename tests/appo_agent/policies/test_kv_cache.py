"""Sharing of prefixes and lookups in the key-value cache."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appo_agent.policies.tiny.kv_cache import KeyValueCache, share_prefixes


def ids(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_branches_of_one_rollout_share_the_longest_prefill() -> None:
    shared = share_prefixes([ids(1, 2), ids(1, 2, 3, 4), ids(9), ids(1, 2, 3), ids(1, 2)])
    assert sorted(shared.computed) == [1, 2]
    longest, other = shared.computed.index(1), shared.computed.index(2)
    assert shared.source == [longest, longest, other, longest, longest]


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=6), min_size=1, max_size=12))
def test_every_sequence_is_a_prefix_of_what_it_shares(sequences: list[list[int]]) -> None:
    arrays = [ids(*sequence) for sequence in sequences]
    shared = share_prefixes(arrays)
    for sequence, source in zip(sequences, shared.source, strict=True):
        assert sequences[shared.computed[source]][: len(sequence)] == sequence
    distinct = {tuple(s) for s in sequences if not any(len(o) > len(s) and o[: len(s)] == s for o in sequences)}
    assert len(shared.computed) == len(distinct)


def test_a_continued_sequence_is_found_and_a_stale_one_never() -> None:
    cache = KeyValueCache(layers=1, heads=1, head_size=2)
    cache.clear(version=3)
    cache.select([None, None], 4)
    cache.remember([ids(1, 2), ids(1, 2, 3)])
    found = cache.find(ids(1, 2, 3, 4), version=3)
    assert found is not None and (found.row, found.length) == (1, 3)
    assert cache.find(ids(1, 2, 3, 4), version=4) is None
    # The whole sequence is stored, but the next token needs a hidden state: one token must be computed.
    exact = cache.find(ids(1, 2, 3), version=3)
    assert exact is not None and exact.length == 2
    cache.clear(version=4)
    assert cache.find(ids(1, 2, 3, 4), version=4) is None
