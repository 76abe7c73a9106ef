"""Many environments at once, whose tools run side by side.

Owns what gymnasium sees: the checks of what is asked, batches in lock-step, and `send` and `recv` out of step. What
becomes of each member is `crew.py`'s, the layout of infos is `infos.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from appo_envs.actions import Action
from appo_envs.vector.crew import Crew
from appo_envs.vector.infos import collate
from appo_envs.vector.members import MemberState, MemberStep
from appo_envs.vector.workers import Workers

MAX_WORKERS = 256
"""Threads of a vector environment unless told otherwise; one that waits for a tool costs next to nothing."""

STEP_TIMEOUT = 300.0
"""Seconds that a member may take for a step or a reset unless told otherwise."""

Batch = tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class ToolVectorEnv(VectorEnv[tuple[str, ...], Sequence[str | Action], np.ndarray]):
    """Members that take their steps at the same time, each in a thread of its own while it does.

    In lock-step, `reset` and `step` do what gymnasium's `SyncVectorEnv` does: same layout, same autoresets. Or each
    member goes at its own pace: `send` gives some members an action, `recv` returns what is ready, and a slow member
    holds up nobody. One thread at a time may use the object.

    A member whose environment breaks (`EnvError`) or takes longer than `step_timeout` loses its episode, and nothing
    else happens: the episode is truncated with reward 0 and `info["infrastructure_error"]`, a text that no other ending
    has, and the next one begins in a new environment. An episode that cannot begin says so in the `info` of its reset,
    and is truncated by its first step. All other errors are bugs and are raised.

    Wrappers around the vector know nothing of `restore` and `fork`; wrap `env` instead, whose wrappers are forked.

    Args:
        env: all members are siblings of it, with the same wrappers. It belongs to the vector from now on and is never
            reset itself.
        num_envs: members, at least 1.
        autoreset_mode: when a member whose episode ended begins the next: NEXT_STEP, SAME_STEP or DISABLED.
        max_workers: steps that are under way at once, at least 1; None for all members, 256 at most.
        step_timeout: seconds that a member may take for a step or a reset, above 0; None for no limit. Nothing is ended
            by force: the thread is left to itself, and closes its environment when it returns.

    Raises:
        ValueError: a setting is out of range.
    """

    # Until it is made: gymnasium below 1.2 closes what it deletes, also what was never made.
    closed = True

    def __init__(
        self,
        env: gymnasium.Env[str, Any],
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_workers: int | None = None,
        step_timeout: float | None = STEP_TIMEOUT,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be at least 1 or None, got {max_workers}")
        if step_timeout is not None and not step_timeout > 0:
            raise ValueError(f"step_timeout must be above 0 seconds or None, got {step_timeout}")
        self.num_envs, self.spec, self.render_mode = num_envs, env.spec, env.render_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**env.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space, self.single_action_space = env.observation_space, env.action_space
        self.observation_space = batch_space(env.observation_space, num_envs)
        self.action_space = batch_space(env.action_space, num_envs)
        workers = Workers(min(num_envs, MAX_WORKERS) if max_workers is None else max_workers, step_timeout)
        self._crew = Crew(env, num_envs, self.autoreset_mode, workers)
        self.closed = False

    @property
    def envs(self) -> tuple[gymnasium.Env[str, Any], ...]:
        """The members' environments, wrappers included. One that was lost is replaced by a new one."""
        self._check_open("envs")
        return tuple([self._crew.env(member) for member in range(self.num_envs)])

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Begin an episode in all members, or in those of a mask.

        Args:
            seed: of the first member, each further one getting the next integer; or one for each member; None goes on
                with the members' generators.
            options: "reset_mask" is an array of num_envs booleans, at least one of them True; only those are reset.
                Everything else is passed to the members.

        Returns:
            All members' latest observations, and the infos of those that were reset.

        Raises:
            AlreadyPendingCallError: members are still at work for `recv`.
            TypeError: the mask is no array of booleans.
            ValueError: the number of seeds or the shape of the mask is wrong.
            Exception: what a member's `reset` raises, unless it is an infrastructure error.
        """
        self._check_in_step("reset")
        rest = dict(options or {})
        mask = _reset_mask(rest.pop("reset_mask", None), self.num_envs)
        seeds = self._seeds(seed)
        for member in np.flatnonzero(mask).tolist():
            self._crew.begin(member, seeds[member], rest or None)
        infos = collate([(step.member, step.info) for step in self._crew.take_all()], self.num_envs)
        return self._crew.observations, infos

    def step(self, actions: Sequence[str | Action]) -> Batch:
        """Take a turn in every member, and wait for all of them.

        Args:
            actions: one for each member. That of a member which begins its next episode in this step is ignored.

        Returns:
            (observations, rewards, terminations, truncations, infos): a tuple of num_envs texts, arrays of num_envs
            float64, bool and bool, and the infos by key.

        Raises:
            AlreadyPendingCallError: members are still at work for `recv`.
            ResetNeeded: a member was never reset, or its episode is over and the autoreset mode is DISABLED.
            ValueError: the number of actions is wrong.
            Exception: what a member's `step` raises, unless it is an infrastructure error.
        """
        self._check_in_step("step")
        self.send(actions, range(self.num_envs))
        steps = self._crew.take_all()
        return (
            self._crew.observations,
            np.array([step.reward for step in steps], dtype=np.float64),
            np.array([step.terminated for step in steps], dtype=np.bool_),
            np.array([step.truncated for step in steps], dtype=np.bool_),
            collate([(step.member, step.info) for step in steps], self.num_envs),
        )

    def send(self, actions: Sequence[str | Action], members: Iterable[int]) -> None:
        """Give some members an action each, without waiting; `recv` returns what becomes of it.

        Args:
            actions: one for each of the members. That of a member which begins its next episode now is ignored.
            members: indices, none twice and none of a member that is still at work.

        Raises:
            AlreadyPendingCallError: a member is still at work.
            ResetNeeded: see `step`.
            ValueError: an index is out of range or comes twice, or the number of actions is wrong. Whatever is raised,
                nothing was sent.
        """
        chosen = self._idle(members, "send")
        if isinstance(actions, str) or len(actions) != len(chosen):
            got = "one string" if isinstance(actions, str) else f"{len(actions)} actions"
            raise ValueError(f"expected a sequence of {len(chosen)} actions, one for each member, got {got}")
        disabled = self.autoreset_mode is AutoresetMode.DISABLED
        for member in chosen:
            if not self._crew.has_begun(member) or disabled and self._crew.is_over(member):
                state = "its episode is over" if self._crew.has_begun(member) else "it was never reset"
                raise ResetNeeded(f"member {member} cannot take a step: {state}; reset it first")
        for member, action in zip(chosen, actions, strict=True):
            self._crew.act(member, action)

    def send_reset(
        self,
        members: Iterable[int],
        *,
        seeds: Sequence[int | None] | None = None,
        options: Sequence[dict[str, Any] | None] | None = None,
    ) -> None:
        """Begin an episode in some members, without waiting; `recv` returns its observation and info.

        Args:
            members: see `send`.
            seeds: one for each of the members.
            options: one for each of the members, such as the task of each.

        Raises:
            AlreadyPendingCallError: a member is still at work.
            ValueError: an index is out of range or comes twice, or the number of seeds or options is wrong. Whatever
                is raised, nothing was sent.
        """
        chosen = self._idle(members, "send_reset")
        none = (None,) * len(chosen)
        seeds, options = none if seeds is None else seeds, none if options is None else options
        if len(seeds) != len(chosen) or len(options) != len(chosen):
            raise ValueError(f"expected {len(chosen)} seeds and options, got {len(seeds)} and {len(options)}")
        for member, seed, option in zip(chosen, seeds, options, strict=True):
            self._crew.begin(member, seed, option)

    def recv(self, min_count: int = 1) -> list[MemberStep]:
        """What members that were sent something have done since, in the order in which they did it.

        Args:
            min_count: waits for so many, at least 0; returns more if more are ready.

        Raises:
            NoAsyncCallError: nothing was sent that was not received yet.
            ValueError: fewer than `min_count` members are at work.
            Exception: a member raised what is no infrastructure error; what is ready comes with the next `recv`.
        """
        self._check_open("recv")
        coming = self._crew.outstanding
        if not coming:
            raise NoAsyncCallError("recv was called, but no member is at work; call send first", "recv")
        if not 0 <= min_count <= coming:
            raise ValueError(f"min_count must be in [0, {coming}], the members at work, got {min_count}")
        return self._crew.take(min_count)

    def snapshot(self, member: int) -> MemberState:
        """All that the future of one member depends on; outlives the vector.

        Raises:
            AlreadyPendingCallError: the member is at work.
            ForkError: see `appo_envs.snapshot`.
            ResetNeeded: the member has no episode.
        """
        (index,) = self._idle([member], "snapshot")
        state = self._crew.snapshot(index)
        if state is None:
            raise ResetNeeded(f"member {index} has no episode to snapshot; reset it first")
        return state

    def restore(self, member: int, state: MemberState) -> None:
        """Bring a member to a snapshot, its own or one of another member or vector.

        Raises:
            AlreadyPendingCallError: the member is at work.
            ForkError: see `appo_envs.restore`.
            TypeError: it is no snapshot of a member.
        """
        if not isinstance(state, MemberState):
            raise TypeError(f"expected a MemberState from snapshot(member), got {type(state).__name__}")
        (index,) = self._idle([member], "restore")
        self._crew.restore(index, state)

    def fork(self, member: int, into: Iterable[int]) -> None:
        """Bring other members to the state of this one, generator included; their own episodes end unseen.

        Raises:
            AlreadyPendingCallError: one of the members is at work.
            ForkError: see `appo_envs.snapshot`.
            ResetNeeded: the member has no episode.
            ValueError: an index is out of range or comes twice.
        """
        others = self._idle(into, "fork")
        state = self.snapshot(member)
        for other in others:
            self._crew.restore(other, state)

    def render(self) -> tuple[Any, ...] | None:
        """What each member renders; None without a render mode.

        A member without an episode, which was never reset or lost its environment, renders nothing: an empty text in
        mode "ansi", an empty list in a mode of lists such as "ansi_list", None in any other.
        """
        if self.render_mode is None:
            return None
        self._check_open("render")
        crew, mode = self._crew, self.render_mode
        return tuple(
            [
                crew.env(member).render() if crew.has_episode(member) else _nothing(mode)
                for member in range(self.num_envs)
            ]
        )

    def close_extras(self, **kwargs: Any) -> None:
        """Close all members; one that is at work closes itself when it is done."""
        self._crew.close()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)):
            return [int(seed) + member for member in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"expected {self.num_envs} seeds, one for each member, got {len(seed)}")
        return list(seed)

    def _idle(self, members: Iterable[int], caller: str) -> list[int]:
        self._check_open(caller)
        chosen = [int(member) for member in members]
        if len(set(chosen)) != len(chosen) or not all(0 <= member < self.num_envs for member in chosen):
            raise ValueError(f"members must be different integers in [0, {self.num_envs}), got {chosen}")
        busy = [member for member in chosen if self._crew.is_busy(member)]
        if busy:
            raise AlreadyPendingCallError(f"{caller} was called for members {busy}, still at work; recv first", caller)
        return chosen

    def _check_in_step(self, caller: str) -> None:
        self._check_open(caller)
        if self._crew.outstanding:
            coming = self._crew.outstanding
            raise AlreadyPendingCallError(f"{caller} was called while {coming} members are at work; recv first", caller)

    def _check_open(self, caller: str) -> None:
        if self.closed:
            raise ClosedEnvironmentError(f"{caller} was used on a closed vector environment; make a new one")


def _nothing(render_mode: str) -> str | list[Any] | None:
    if render_mode.endswith("_list"):
        return []
    return "" if render_mode == "ansi" else None


def _reset_mask(mask: Any, num_envs: int) -> np.ndarray:
    if mask is None:
        return np.ones(num_envs, dtype=np.bool_)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        got = f"an array of {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(f"options['reset_mask'] must be a numpy array of booleans, got {got}")
    if mask.shape != (num_envs,) or not mask.any():
        raise ValueError(
            f"options['reset_mask'] must have shape ({num_envs},) and a True value, got shape {mask.shape} with "
            f"{mask.sum()} True values"
        )
    return mask
