"""Environments as the driver has them: where an episode starts, not the episode itself.

Owns the stand-in that the turn loop's code resets and restores on the driver, and the one real environment there that
answers questions about tasks, prompts and demonstrations. The episodes run on workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium

from appo_agent.cluster.replay import History, Start
from appo_agent.rollout.tool_env import tool_env


@dataclass(frozen=True)
class SnapshotHandle:
    """A snapshot that lies on a worker.

    Attributes:
        worker: whose it is; the name of one process's life, not of a machine.
        number: its number there.
        call: number of the call that made it. Snapshots of a call lie together, whichever worker ran it.
        history: how to make it again where it is not.
    """

    worker: str
    number: int
    call: int
    history: History


class Scout:
    """The driver's own environment, lent to one stand-in at a time.

    Args:
        env: a real environment.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = env
        self._holder: PlacedEnv | None = None

    def at(self, holder: PlacedEnv) -> gymnasium.Env:
        """The environment, at the beginning of the stand-in's episode or wherever that has brought it."""
        if self._holder is not holder and isinstance(holder.start, Start):
            self.env.reset(seed=holder.start.seed, options={"task": holder.start.task})
        return self.lend(holder)

    def lend(self, holder: PlacedEnv) -> gymnasium.Env:
        """The environment as it is, from now on in this stand-in's hands."""
        self._holder = holder
        return self.env

    def holds(self, holder: PlacedEnv) -> bool:
        """Whether the environment is in this stand-in's episode."""
        return self._holder is holder


class PlacedEnv(gymnasium.Env[str, str]):
    """Stands for an environment on a worker.

    Args:
        scout: answers what must be known here; None on a worker, where a real environment takes this one's place.

    Attributes:
        start: the beginning of the episode, or the snapshot from which it goes on.
    """

    def __init__(self, scout: Scout | None) -> None:
        self._scout = scout
        self._stepped = False
        self.start: Start | SnapshotHandle | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_scout": None, "_stepped": False, "start": self.start}

    @property
    def unwrapped(self) -> gymnasium.Env[str, str]:
        """The driver's `ToolEnv`, at the beginning of this episode where that is known."""
        return tool_env(self._here().at(self))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin here too, for whoever asks for the prompt, and remember where the episode starts.

        Raises:
            ValueError: no seed or no task: another machine could not start the same episode.
        """
        if seed is None or options is None or "task" not in options:
            raise ValueError(f"expected a seed and a task, got seed {seed} and options {options}")
        self.start, self._stepped = Start(options["task"], seed), False
        return self._here().lend(self).reset(seed=seed, options=options)

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a turn here, on the driver, as demonstrations do.

        Raises:
            RuntimeError: another episode was played here in between.
        """
        if self._stepped and not self._here().holds(self):
            raise RuntimeError("the driver plays one episode at a time; finish it before the next one begins")
        self._stepped = True
        return self._here().at(self).step(action)

    def snapshot(self) -> object:
        """Where the episode starts."""
        return self.start

    def restore(self, state: SnapshotHandle) -> None:
        """Go on from a snapshot on a worker."""
        self.start, self._stepped = state, False

    def leave(self) -> None:
        """Forget the episode: a snapshot that nobody else names can be freed."""
        self.start = None

    def sibling(self) -> PlacedEnv:
        """Another stand-in."""
        return PlacedEnv(self._scout)

    def _here(self) -> Scout:
        if self._scout is None:
            raise RuntimeError("this stand-in came to a worker and must be replaced by an environment there")
        return self._scout
