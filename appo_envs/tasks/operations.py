"""The words of arithmetic stories and what they mean.

Owns the words; stories and demonstrators are built from them.
"""

from __future__ import annotations

PEOPLE = tuple("Ann Ben Cid Dee Eva Fay Gus Hal Ida Jon Kim Lou".split())
ITEMS = tuple("apples books coins pens cards shells stamps beads cups nuts keys maps".split())

VERBS = {
    "+": ("buys", "finds", "collects", "wins", "garners", "nabs", "amasses", "reaps"),
    "-": ("sells", "loses", "eats", "drops", "forfeits", "sheds", "cedes", "mislays"),
    "*": ("multiplies", "scales", "grows", "repeats", "replicates", "balloons", "compounds", "swells"),
}
"""Eight verbs an operation: four common ones, then four rare ones."""

OPERATION_OF = {verb: operation for operation, verbs in VERBS.items() for verb in verbs}
RARE_VERBS = frozenset(verb for verbs in VERBS.values() for verb in verbs[4:])


def apply(operation: str, value: int, number: int) -> int:
    """The result of one of the operations "+", "-" and "*"."""
    if operation == "+":
        return value + number
    return value - number if operation == "-" else value * number
