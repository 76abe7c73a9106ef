"""The result of one performance measurement."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the figure, in `unit`.
        unit: such as "s", "us" or "tokens/s".
        peer: what it is compared with, and that one's figure.
        ratio: `value` over the peer's figure, NaN without a peer.
        target: what it should be, such as "< 0.5 s".
    """

    name: str
    value: float
    unit: str
    peer: str
    ratio: float
    target: str
