"""Where in a turn a token stands: thinking, a tool's arguments, right after a result, the answer, a planted decision.

Owns the reading of a turn's text. It knows the two forms in use: tags named after the tool, and `<tool_call>` blocks.
What is planted is known by the task source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from appo_agent.rollout.turns import turns_after_results
from appo_agent.types import Rollout

Place = Literal["thinking", "arguments", "after_result", "answer", "planted"]
PLACES: tuple[Place, ...] = ("thinking", "arguments", "after_result", "answer", "planted")
_BLOCK = re.compile(r"<(\w+)>(.*?)(?:</\1>|$)", re.DOTALL)
_THINKING = ("think", "thinking", "reasoning")


def places_of(rollout: Rollout, decode: Callable[[Sequence[int]], str]) -> list[Place]:
    """The place of every policy token of a rollout's own turns, in order.

    The first token after a tool result is that, whatever it begins. Tags themselves belong to what they enclose.

    Args:
        rollout: the rollout.
        decode: token ids to text.
    """
    after = set(turns_after_results(rollout))
    places: list[Place] = []
    for number, turn in enumerate(rollout.turns):
        inside = _turn_places(turn.action.token_ids.tolist(), decode)
        if number in after and inside:
            inside[0] = "after_result"
        places += inside
    return places


def words_of(rollout: Rollout, decode: Callable[[Sequence[int]], str]) -> list[int]:
    """For every policy token, the index of the word that it ends or is part of, over all turns joined."""
    words, before = [], 0
    for turn in rollout.turns:
        token_ids = turn.action.token_ids.tolist()
        counts = [len(decode(token_ids[: count + 1]).split()) for count in range(len(token_ids))]
        words += [before + max(0, count - 1) for count in counts]
        before += counts[-1] if counts else 0
    return words


def _turn_places(token_ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[Place]:
    text = decode(token_ids)
    blocks: list[tuple[int, int, Place]] = [
        (match.start(), match.end(), _place_of(match[1])) for match in _BLOCK.finditer(text)
    ]
    ends = [len(decode(token_ids[: count + 1])) for count in range(len(token_ids))]
    return [_at(end - 1, blocks) for end in ends]


def _place_of(tag: str) -> Place:
    if tag in _THINKING:
        return "thinking"
    return "answer" if tag == "answer" else "arguments"


def _at(character: int, blocks: Iterable[tuple[int, int, Place]]) -> Place:
    for start, end, place in blocks:
        if start <= character < end:
            return place
    return "thinking"
