"""Long ledgers that are read aloud, entry by entry, with few decisions and many words between them.

"n1 buys . n2 sells . ... n32 nabs . balance of Ba Gor ?": the opening balance is looked up with the tool, then every
entry is repeated in thinking with its sign and the balance after it: "n1 buys up 18 ; n2 sells down 17 ; ...". Most
verbs are common, and every demonstration shows what they mean. A few entries of each ledger have rare verbs, all of one
sign, each of which the demonstrator reads wrongly half of the time: there, far from any tool call, is what there is to
learn, and two mistakes do not cancel. Everything else follows from the words before it.

So it is known where choices matter: `planted` names the words. A rollout has about five words for each entry.

Owns the ledgers; the demonstrator is in `ledger_expert.py`, the tool in `appo_envs.envs.ledger`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from appo_envs.seeding import derive_seed
from appo_envs.tasks.ledger_expert import COMMON, RARE, RARE_VERBS, SIGN_OF, SIGNS, Entry, LedgerExpert
from appo_envs.tasks.names import FIRST_SYLLABLES, SECOND_SYLLABLES, SPLITS, names
from appo_envs.tasks.source import GeneratedSplit, address, check_split
from appo_envs.tasks.task import Task

LEDGERS = 1 << 20
"""Ledgers a split."""


@dataclass(frozen=True)
class Ledgers:
    """The task source.

    Attributes:
        entries: lines of a ledger, at least 1.
        decisions: lines whose verbs are rare, 0 to `entries`.
        limit: all balances are in [0, limit); above 2 * entries.
        seed: of all ledgers.

    Raises:
        ValueError: a setting is out of range.
    """

    entries: int = 32
    decisions: int = 2
    limit: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.entries < 1 or not 0 <= self.decisions <= self.entries or self.limit <= 2 * self.entries:
            raise ValueError(
                f"entries must be at least 1, decisions in [0, entries] and limit above 2 * entries, got {self}"
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits share no account, and all syllables of their names."""
        return SPLITS

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Syllables of names, verbs, signs, numbers of lines, and every balance."""
        lines = [f"n{number}" for number in range(1, self.entries + 1)]
        numbers = map(str, range(self.limit))
        return (
            *FIRST_SYLLABLES,
            *SECOND_SYLLABLES,
            *SIGN_OF,
            *SIGNS,
            *lines,
            "balance",
            "of",
            ".",
            ";",
            "?",
            "none",
            "found",
            *numbers,
        )

    def split(self, name: str) -> GeneratedSplit:
        """See `TaskSource.split`."""
        check_split(name, SPLITS)
        return GeneratedSplit(LEDGERS, 1, lambda index: self._ledger(name, index))

    def task(self, task_id: str) -> Task:
        """The task of an id such as "train/123"."""
        split, (number,) = address(task_id, SPLITS, (LEDGERS,))
        return self._ledger(split, number)

    def expert(self, task: Task, rng: np.random.Generator) -> LedgerExpert:
        """A demonstrator; see `LedgerExpert`."""
        return LedgerExpert(task.prompt, self.limit, rng)

    def planted(self, task: Task, text: str) -> list[int]:
        """Where a rollout's text decides: indices of the words, split at white space, that read a rare verb's sign.

        Args:
            task: of this source.
            text: what the policy wrote, all turns joined.
        """
        words = text.split()
        return [
            place
            for place in range(2, len(words))
            if words[place] in SIGNS and words[place - 1] in RARE_VERBS and words[place - 2].startswith("n")
        ]

    def _ledger(self, split: str, number: int) -> Task:
        rng = np.random.default_rng(derive_seed(self.seed, "ledger", split, number))
        account = names(split)[rng.integers(len(names(split)))]
        opening = int(rng.integers(self.entries, self.limit - self.entries))
        rare = set(rng.choice(self.entries, self.decisions, replace=False).tolist())
        # All rare verbs of a ledger mean the same, so that two wrong readings cannot make a right balance.
        hidden = SIGNS[rng.integers(2)]
        entries = [
            Entry(f"n{line + 1}", _one_of(RARE[hidden] if line in rare else COMMON[SIGNS[rng.integers(2)]], rng))
            for line in range(self.entries)
        ]
        balance = opening + sum(1 if SIGN_OF[entry.verb] == "up" else -1 for entry in entries)
        told = " ".join(f"{entry.number} {entry.verb} ." for entry in entries)
        metadata = {"account": account, "opening": opening, "decisions": tuple(sorted(line + 1 for line in rare))}
        return Task(f"{split}/{number}", f"{told} balance of {account} ?", str(balance), metadata)


def _one_of(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[rng.integers(len(words))]
