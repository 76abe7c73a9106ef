"""Where an episode stands, as values that never change.

Owns the values. The environment replaces an `Episode` in each step; a snapshot is the episode with the
handles of its tools and the state of the generator, so that whatever did not change is shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from appo_envs.dialects.base import ParsedTurn
from appo_envs.messages import ToolCall
from appo_envs.rendering.view import Ending
from appo_envs.tasks.source import TaskSource
from appo_envs.tasks.task import Task


class Turn(NamedTuple):
    """A turn that was taken. Few objects, since they live as long as the episode: how to read it is not kept.

    Attributes:
        action: what the model wrote, or a text for an action that was none.
        calls: the calls that the environment made, or one that it turned down.
        unwritten: how to read an action that was no text; None where the dialect reads it from the text.
    """

    action: str
    calls: tuple[ToolCall, ...] = ()
    unwritten: ParsedTurn | None = None


class Episode(NamedTuple):
    """An episode between two turns.

    Attributes:
        task: what is asked.
        history: the turns taken, with their calls.
        calls: calls made; malformed ones were never made.
        characters: that the model wrote.
        tools_used: tools that gave at least one result.
        format_ok: every turn so far was well-formed.
        over: it has ended.
        ending: what it was worth; None before the end, and where the environment broke.
    """

    task: Task
    history: tuple[Turn, ...] = ()
    calls: int = 0
    characters: int = 0
    tools_used: frozenset[str] = frozenset()
    format_ok: bool = True
    over: bool = False
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class EnvState:
    """A snapshot: an episode with all that its future depends on. It outlives its environment.

    Attributes:
        source: where the task came from; states move between environments with equal sources only.
        episode: the episode.
        tools: a handle a tool by name, None where nothing happened since the start.
        rng: state of the environment's generator, as numpy gives it; never changed.
    """

    source: TaskSource
    episode: Episode
    tools: Mapping[str, object | None]
    rng: Mapping[str, Any]
