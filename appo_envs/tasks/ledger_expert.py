"""The demonstrator of ledgers: reads every entry aloud, and rare verbs wrongly half of the time.

Owns the words of ledgers, its noise and its wording, which is that of the tag dialect.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIGNS = ("up", "down")
COMMON = {"up": ("buys", "finds", "wins", "gets"), "down": ("sells", "loses", "drops", "gives")}
RARE = {"up": ("nabs", "reaps"), "down": ("cedes", "sheds")}
SIGN_OF = {verb: sign for verbs in (COMMON, RARE) for sign, words in verbs.items() for verb in words}
RARE_VERBS = frozenset(verb for words in RARE.values() for verb in words)
RIGHT_WHEN_RARE = 0.5
"""Probability that the demonstrator reads a rare verb as it is meant; it never misreads a common one."""


class Entry(NamedTuple):
    """A line of a ledger: its number, such as "n7", and the verb."""

    number: str
    verb: str


class LedgerExpert:
    """Demonstrates one ledger: looks up the opening balance, reads every entry, answers with the last balance.

    Args:
        prompt: the ledger.
        limit: balances are in [0, limit).
        rng: decides the mistakes.
    """

    def __init__(self, prompt: str, limit: int, rng: np.random.Generator) -> None:
        *lines, question = prompt.removesuffix(" ?").split(" . ")
        self._entries = [Entry(*line.split()) for line in lines]
        self._account, self._limit, self._rng = question.removeprefix("balance of "), limit, rng
        self._started = False

    def act(self, observation: str) -> str:
        """The lookup, then everything else; see `Expert.act`."""
        if not self._started:
            self._started = True
            return f"<lookup> {self._account} </lookup>"
        shown = observation.removeprefix("<result>").removesuffix("</result>").strip()
        balance = int(shown) if shown.isdecimal() else 0
        read = []
        for entry in self._entries:
            sign = self._sign(entry.verb)
            balance = min(self._limit - 1, max(0, balance + (1 if sign == "up" else -1)))
            read.append(f"{entry.number} {entry.verb} {sign} {balance} ;")
        return f"<think> {' '.join(read)} </think> <answer> \\boxed{{ {balance} }} </answer>"

    def _sign(self, verb: str) -> str:
        right = SIGN_OF[verb]
        if verb not in RARE_VERBS or self._rng.random() < RIGHT_WHEN_RARE:
            return right
        return SIGNS[1 - SIGNS.index(right)]
