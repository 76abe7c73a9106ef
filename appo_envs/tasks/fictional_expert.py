"""The demonstrator of fictional worlds: searches link by link, and misreads rare verbs.

Owns its noise and its wording, which is that of the tag dialect.
"""

from __future__ import annotations

import numpy as np

from appo_envs.tasks.relations import (
    FILM_RELATIONS,
    PERSON_RELATIONS,
    PLACE_RELATIONS,
    RARE_VERBS,
    RELATION_OF,
)

RIGHT_WHEN_COMMON = 0.9
RIGHT_WHEN_RARE = 0.4
"""Probabilities of the right relation for common and rare verbs. A wrong one fits the same kind of entity."""


class FictionalExpert:
    """Demonstrates one question.

    Args:
        prompt: the question.
        rng: decides the mistakes.
    """

    def __init__(self, prompt: str, rng: np.random.Generator) -> None:
        first, *others = prompt.removesuffix(" ?").split(" ; ")
        verb, self._entity = first.split(" ", 1)
        self._verbs = [verb, *others]
        self._rng = rng
        self._searched = False

    def act(self, observation: str) -> str:
        """Search for the next link, or answer with the last name found; see `Expert.act`."""
        if self._searched:
            # "<result> entity relation value </result>", names being two words.
            words = observation.split()
            self._entity = " ".join(words[-3:-1])
        self._searched = True
        if not self._verbs:
            return f"<answer> \\boxed{{ {self._entity} }} </answer>"
        verb = self._verbs.pop(0)
        relation = self._read(verb)
        return f"<think> {verb} {relation} </think> <search> {relation} {self._entity} </search>"

    def _read(self, verb: str) -> str:
        right = RELATION_OF[verb]
        if self._rng.random() < (RIGHT_WHEN_RARE if verb in RARE_VERBS else RIGHT_WHEN_COMMON):
            return right
        level = next(level for level in (FILM_RELATIONS, PERSON_RELATIONS, PLACE_RELATIONS) if right in level)
        wrong = [relation for relation in level if relation != right]
        return wrong[self._rng.integers(len(wrong))]
