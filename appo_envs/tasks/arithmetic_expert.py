"""The demonstrator of arithmetic stories: plans, computes step by step in Python, and misreads rare verbs.

Owns its noise and its wording, which is that of the tag dialect.
"""

from __future__ import annotations

import numpy as np

from appo_envs.tasks.operations import OPERATION_OF, RARE_VERBS, VERBS

RIGHT_WHEN_COMMON = 0.9
RIGHT_WHEN_RARE = 0.5
"""Probabilities of the right operation for common and rare verbs."""


class ArithmeticExpert:
    """Demonstrates one story.

    Args:
        prompt: the story.
        limit: results at or above it, or below zero, have no word; having met one, the expert stops
            computing.
        rng: decides the mistakes.
    """

    def __init__(self, prompt: str, limit: int, rng: np.random.Generator) -> None:
        first, *events, _ = prompt.split(" . ")
        self._value = first.split()[2]
        self._limit = limit
        self._rng = rng
        self._pending: list[str] = []
        plan = []
        for event in events:
            _, verb, number = event.split()
            self._pending.append(f"{self._read(verb)} {number}")
            plan.append(f"{verb} {self._pending[-1]}")
        self._plan = " ".join(plan)
        self._started = False

    def act(self, observation: str) -> str:
        """Compute the next step, or answer with the last result; see `Expert.act`."""
        thought = ""
        if self._started:
            result = observation.removeprefix("<result>").removesuffix("</result>").strip()
            if result.isdecimal() and int(result) < self._limit:
                self._value = result
            else:
                self._pending.clear()
        else:
            self._started, thought = True, f"<think> {self._plan} </think> "
        if not self._pending:
            return f"<answer> \\boxed{{ {self._value} }} </answer>"
        return f"{thought}<python> print ( {self._value} {self._pending.pop(0)} ) </python>"

    def _read(self, verb: str) -> str:
        right = OPERATION_OF[verb]
        if self._rng.random() < (RIGHT_WHEN_RARE if verb in RARE_VERBS else RIGHT_WHEN_COMMON):
            return right
        wrong = [operation for operation in VERBS if operation != right]
        return wrong[self._rng.integers(len(wrong))]
