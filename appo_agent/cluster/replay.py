"""How an episode came to where it is, so that it can be brought there again on another machine.

Owns the log that goes along with an environment, inside its snapshots, and the replay. A replay that sees anything
else than the first time ends the rollout: a branch must not go on from another state than it was scored at.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, SupportsFloat

import gymnasium

from appo_envs.errors import EnvError
from appo_envs.forking import WrappedState


@dataclass(frozen=True)
class Start:
    """How an episode begins.

    Attributes:
        task: id of the task.
        seed: what the environment is reset with.
    """

    task: str
    seed: int


@dataclass(frozen=True)
class History:
    """An episode up to some turn.

    Attributes:
        start: its beginning.
        actions: what was written so far, a text a turn.
        seen: SHA-256 over everything that the environment answered.
    """

    start: Start
    actions: tuple[str, ...] = ()
    seen: str = ""

    def after(self, action: str, observation: str) -> History:
        """The history one turn later."""
        seen = hashlib.sha256(f"{self.seen}\0{observation}".encode()).hexdigest()
        return replace(self, actions=(*self.actions, action), seen=seen)


class ReplayLog(gymnasium.Wrapper[str, str, str, str]):
    """Keeps the history of the episode under way; snapshots carry it.

    Args:
        env: a `ToolEnv`, in wrappers or not.
    """

    def __init__(self, env: gymnasium.Env[str, str]) -> None:
        super().__init__(env)
        self._history: History | None = None

    def begin(self, start: Start) -> None:
        """Reset to a task."""
        self.env.reset(seed=start.seed, options={"task": start.task})
        self._history = History(start)

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment, and remember it."""
        answer = self.env.step(action)
        if self._history is not None:
            self._history = self._history.after(action, answer[0])
        return answer

    def replay(self, history: History) -> None:
        """Bring the environment to where a history ends.

        Raises:
            EnvError: the environment answers otherwise than it did then.
        """
        self.begin(history.start)
        for action in history.actions:
            self.step(action)
        if self._history != history:
            raise EnvError(
                f"task {history.start.task}: {len(history.actions)} turns, done again on another worker, were answered "
                "otherwise than the first time, so nothing can branch there; tools that answer the same way twice, or "
                "a cache of their answers, avoid this"
            )

    def snapshot_wrapper(self) -> History | None:
        """The history so far."""
        return self._history

    def restore_wrapper(self, state: History | None) -> None:
        """Go back to an earlier history."""
        self._history = state

    def rewrap(self, env: gymnasium.Env[str, str]) -> ReplayLog:
        """The same log around another environment."""
        return ReplayLog(env)


def history_of(state: WrappedState) -> History:
    """The history inside a snapshot of a logged environment.

    Raises:
        ValueError: the environment had no log, or no episode.
    """
    for kind, value in state.wrappers:
        if kind is ReplayLog and isinstance(value, History):
            return value
    raise ValueError(
        f"expected a snapshot with a ReplayLog, got wrappers {[kind.__name__ for kind, _ in state.wrappers]}"
    )
