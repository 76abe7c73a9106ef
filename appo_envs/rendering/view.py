"""What there is to show of an episode.

Owns the values; laying them out belongs to `layout.py`, making them to whoever has the episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from appo_envs.dialects.base import ParsedTurn
from appo_envs.messages import ToolCall
from appo_envs.rewards import Outcome


class TurnView(NamedTuple):
    """One turn of the model and what came of it.

    Attributes:
        action: what the model wrote.
        turn: how the dialect read it.
        calls: the calls that the environment made, or one that it turned down; as many as the turn asks for if it
            is well-formed.
    """

    action: str
    turn: ParsedTurn
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How an episode ended and what that was worth."""

    outcome: Outcome
    reward: float


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """An episode as far as it has come. The gold answer is no part of it.

    Attributes:
        task: the id of the task.
        question: as the model reads it.
        turns: in order.
        ending: None while the episode goes on.
    """

    task: str
    question: str
    turns: tuple[TurnView, ...] = ()
    ending: Ending | None = None
