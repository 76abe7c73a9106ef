"""The members of a vector environment at work: who does what, and what becomes of it.

Owns each member's place between episodes: autoresets, and episodes that are lost with their environment. It trusts its
caller, `env.py`, to ask idle members only and to send no action to one without an episode. Threads and the time limit
are `workers.py`'s.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from appo_envs.actions import Action
from appo_envs.errors import EnvError
from appo_envs.forking import restore, sibling, snapshot
from appo_envs.tools.time_limit import OutOfTime
from appo_envs.vector.members import INFRASTRUCTURE_ERROR, MemberState, MemberStep
from appo_envs.vector.workers import JobEnd, Workers


class Crew:
    """Members with a pool of threads to work in.

    Args:
        prototype: members are siblings of it, made when they are first needed.
        num_envs: members.
        autoreset_mode: when a member whose episode ended begins the next.
        workers: the threads.
    """

    def __init__(
        self,
        prototype: gymnasium.Env[str, Any],
        num_envs: int,
        autoreset_mode: AutoresetMode,
        workers: Workers,
    ) -> None:
        self._prototype, self._autoreset_mode, self._workers = prototype, autoreset_mode, workers
        self._seats = [_Seat() for _ in range(num_envs)]
        self._ready: list[MemberStep] = []

    @property
    def outstanding(self) -> int:
        """Steps and resets that were asked for and not yet returned by `take`."""
        return self._workers.outstanding + len(self._ready)

    @property
    def observations(self) -> tuple[str, ...]:
        """The latest of every member; empty for one that was never reset."""
        return tuple([seat.observation for seat in self._seats])

    def is_busy(self, member: int) -> bool:
        """Whether it is at work."""
        return self._seats[member].is_busy

    def has_begun(self, member: int) -> bool:
        """Whether it was ever reset."""
        return self._seats[member].has_begun

    def has_episode(self, member: int) -> bool:
        """Whether its environment has an episode, under way or over; one that was lost has none."""
        return self._seats[member].has_episode

    def is_over(self, member: int) -> bool:
        """Whether its episode has ended and the next one has not begun."""
        return self._seats[member].is_over

    def env(self, member: int) -> gymnasium.Env[str, Any]:
        """Its environment; a new one if the last one was lost."""
        seat = self._seats[member]
        if seat.env is None:
            seat.env = sibling(self._prototype)
        return seat.env

    def begin(self, member: int, seed: int | None, options: dict[str, Any] | None) -> None:
        """Have it begin an episode."""
        seat = self._seats[member]
        beginning = _Beginning(seat.env, self._prototype, seed, options)
        seat.is_busy, seat.beginning = True, beginning
        self._workers.submit(member, beginning, beginning.close)

    def act(self, member: int, action: str | Action) -> None:
        """Have it take a step, which begins the next episode if the last one is over."""
        seat = self._seats[member]
        if seat.is_over:
            self.begin(member, None, None)
        elif seat.lost is not None:
            lost, seat.lost = seat.lost, None
            self._stepped(_lost_step(member, lost))
        else:
            env = self.env(member)
            seat.is_busy = True
            self._workers.submit(member, partial(env.step, action), env.close)

    def take(self, min_count: int) -> list[MemberStep]:
        """What is ready, at least so many, in the order in which it became ready.

        Raises:
            Exception: a member raised what is no infrastructure error; what else is ready comes with the next call.
        """
        while (end := self._workers.next(wait=len(self._ready) < min_count)) is not None:
            bug = self._end(end)
            if bug is not None:
                raise bug
        ready, self._ready = self._ready, []
        return ready

    def take_all(self) -> list[MemberStep]:
        """Everything that is outstanding, by rising member.

        Raises:
            Exception: a member raised what is no infrastructure error; all others have come to an end, unseen.
        """
        bugs = []
        while (end := self._workers.next()) is not None:
            bugs.append(self._end(end))
        ready, self._ready = self._ready, []
        for bug in bugs:
            if bug is not None:
                raise bug
        return sorted(ready, key=lambda step: step.member)

    def snapshot(self, member: int) -> MemberState | None:
        """Its state; None without an episode."""
        seat = self._seats[member]
        if seat.env is None or not seat.has_episode:
            return None
        return MemberState(snapshot(seat.env), seat.observation, seat.is_over)

    def restore(self, member: int, state: MemberState) -> None:
        """Bring it to a state."""
        restore(self.env(member), state.env)
        seat = self._seats[member]
        seat.observation, seat.is_over, seat.lost = state.observation, state.over, None
        seat.has_begun = seat.has_episode = True

    def close(self) -> None:
        """Close all members; one that is at work closes itself when it is done."""
        self._workers.close()
        with contextlib.ExitStack() as stack:
            stack.callback(self._prototype.close)
            for seat in self._seats:
                if seat.env is not None and not seat.is_busy:
                    stack.callback(seat.env.close)

    def _end(self, end: JobEnd) -> BaseException | None:
        """Note what came of a step or a reset; returns the error if it is a bug."""
        seat = self._seats[end.key]
        beginning, seat.beginning, seat.is_busy = seat.beginning, None, False
        if beginning is not None:
            seat.env = beginning.env
        if end.error is not None and not isinstance(end.error, (EnvError, OutOfTime)):
            seat.ended = None
            end.error.add_note(f"in member {end.key} of a vector environment")
            return end.error
        lost = None if end.error is None else f"{type(end.error).__name__}: {end.error}"
        if lost is not None:
            # After a time-out its own thread closes it; nobody else may touch it.
            _part_with(seat, close=isinstance(end.error, EnvError))
        if beginning is None:
            self._stepped(MemberStep(end.key, *end.value) if lost is None else _lost_step(end.key, lost))
            return None
        seat.has_begun, seat.has_episode, seat.is_over, seat.lost = True, lost is None, False, lost
        observation, info = end.value if lost is None else ("", {INFRASTRUCTURE_ERROR: lost})
        self._began(end.key, observation, info)
        return None

    def _stepped(self, step: MemberStep) -> None:
        seat = self._seats[step.member]
        is_over = bool(step.terminated or step.truncated)
        if is_over and self._autoreset_mode is AutoresetMode.SAME_STEP:
            seat.ended = step
            self.begin(step.member, None, None)
            return
        seat.observation, seat.is_over = step.observation, is_over
        self._ready.append(step)

    def _began(self, member: int, observation: str, info: dict[str, Any]) -> None:
        seat = self._seats[member]
        seat.observation = observation
        ended, seat.ended = seat.ended, None
        if ended is None:
            self._ready.append(MemberStep(member, observation, 0.0, False, False, info))
            return
        info = {"final_obs": ended.observation, "final_info": ended.info, **info}
        self._ready.append(ended._replace(observation=observation, info=info))


@dataclass(slots=True)
class _Seat:
    """A member's place. Only the thread that uses the vector looks at it.

    Attributes:
        env: None until it is needed, and after it was lost.
        observation: the latest.
        has_begun: it was reset at least once.
        has_episode: its environment was reset; one that takes the place of a lost one was not yet.
        is_over: its episode has ended.
        lost: why its episode could not begin, until the first step ends it.
        is_busy: it is at work.
        beginning: the reset that it is at.
        ended: the last step of an episode, while the next one begins in the same step.
    """

    env: gymnasium.Env[str, Any] | None = None
    observation: str = ""
    has_begun: bool = False
    has_episode: bool = False
    is_over: bool = False
    lost: str | None = None
    is_busy: bool = False
    beginning: _Beginning | None = None
    ended: MemberStep | None = None


class _Beginning:
    """A reset as a job, of an environment that it makes first where there is none."""

    def __init__(
        self,
        env: gymnasium.Env[str, Any] | None,
        prototype: gymnasium.Env[str, Any],
        seed: int | None,
        options: dict[str, Any] | None,
    ) -> None:
        self.env = env
        self._prototype, self._seed, self._options = prototype, seed, options

    def __call__(self) -> tuple[str, dict[str, Any]]:
        if self.env is None:
            self.env = sibling(self._prototype)
        return self.env.reset(seed=self._seed, options=self._options)

    def close(self) -> None:
        if self.env is not None:
            self.env.close()


def _lost_step(member: int, why: str) -> MemberStep:
    return MemberStep(member, "", 0.0, False, True, {INFRASTRUCTURE_ERROR: why})


def _part_with(seat: _Seat, *, close: bool) -> None:
    if close and seat.env is not None:
        # In a thread of its own, since closing what is broken may take long or fail in turn.
        threading.Thread(target=seat.env.close, name="appo-vector close", daemon=True).start()
    seat.env, seat.has_episode = None, False
