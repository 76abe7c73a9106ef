"""Seeds for parts of a whole, derived from the seed of the whole and the names of the part.

Owns the derivation only; who draws from what generator is decided where the drawing happens.
"""

from __future__ import annotations

import operator
from hashlib import blake2b


def derive_seed(seed: int, *names: int | str) -> int:
    """A seed for one part of a run, unrelated to the seeds of all other parts.

    The 63-bit BLAKE2b hash of the seed and the names. It is the same in every process, version and platform.
    Names are kept apart, and 1 differs from "1".

    Args:
        seed: the seed of the whole; any integer, numpy's included.
        names: what the seed is for, from the general to the particular.

    Returns:
        A seed in [0, 2**63), for numpy, torch and gymnasium alike.

    Raises:
        TypeError: the seed is not an integer, or a name is neither an integer nor a string.
    """
    data = "".join([_encode(part) for part in (operator.index(seed), *names)])
    digest = blake2b(data.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _encode(name: int | str) -> str:
    # Lengths before strings and an end mark after integers keep ("ab", "c") apart from ("a", "bc").
    return f"s{len(name)}:{name}" if isinstance(name, str) else f"i{operator.index(name)};"
