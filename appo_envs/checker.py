"""A check that an environment forks as it should, in the manner of gymnasium's `check_env`.

Owns what is checked: forks are equal at the fork and independent after it, snapshots can be restored, and the same
seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from appo_envs.env import ToolEnv
from appo_envs.errors import ForkError
from appo_envs.forking import fork, restore, snapshot

SEED = 7


class Transition(NamedTuple):
    """What a step returned."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]


def check_fork(env: gymnasium.Env, actions: Sequence[str] | None = None) -> None:
    """Play an episode and, before every step of it, fork, restore and compare.

    Args:
        env: any wrapped or bare environment; left in the middle of nowhere, to be reset.
        actions: the episode's actions after `reset(seed=7)`. None takes those of the demonstrator of the
            `ToolEnv`.

    Raises:
        ForkError: something differed; the message says what, where and how.
        ValueError: no actions were given and the environment has no demonstrator, or they are none.
    """
    if actions is None:
        actions = _demonstrate(env)
    if not actions:
        raise ValueError("check_fork needs at least one action, got none")
    expected = _play(env, actions)
    _compare("a second episode with the same seed", _play(env, actions), expected)
    env.reset(seed=SEED)
    states = []
    for step, action in enumerate(actions[: len(expected)]):
        states.append(snapshot(env))
        _check_forks(env, actions[step:], expected[step:], step)
        _compare(
            f"step {step} of the original, after its forks had moved on,",
            [_step(env, action)],
            expected[step : step + 1],
        )
    for step, state in enumerate(states):
        restore(env, state)
        rest = [_step(env, action) for action in actions[step : len(expected)]]
        _compare(f"the original, restored to before step {step} from its end,", rest, expected[step:])
    _check_outliving(env, actions, expected)


def _check_forks(env: gymnasium.Env, actions: Sequence[str], expected: Sequence[Transition], step: int) -> None:
    at_fork = _visible(env)
    same, other = fork(env, 2)
    try:
        for name, forked in (("first", same), ("second", other)):
            if _visible(forked) != at_fork:
                raise ForkError(
                    f"the {name} fork before step {step} differs at once: {_visible(forked)} is not {at_fork}"
                )
        # Both play the same calls, so that a state that they share is counted twice.
        for action in actions[: len(expected)]:
            _step(other, action)
        transitions = [_step(same, action) for action in actions[: len(expected)]]
        _compare(f"the first fork before step {step}, after the second had left,", transitions, expected)
        if _visible(env) != at_fork:
            now = _visible(env)
            raise ForkError(f"steps of forks before step {step} changed the original: {now} is not {at_fork}")
    finally:
        same.close()
        other.close()


def _check_outliving(env: gymnasium.Env, actions: Sequence[str], expected: Sequence[Transition]) -> None:
    env.reset(seed=SEED)
    (short_lived,) = fork(env, 1)
    _step(short_lived, actions[0])
    if len(expected) < 2:
        short_lived.close()
        return
    state = snapshot(short_lived)
    short_lived.close()
    restore(env, state)
    rest = [_step(env, action) for action in actions[1 : len(expected)]]
    _compare("the original, restored to a snapshot of a fork that was closed,", rest, expected[1:])


def _demonstrate(env: gymnasium.Env) -> list[str]:
    toolenv = env.unwrapped
    if not isinstance(toolenv, ToolEnv):
        raise ValueError(f"{env} has no demonstrator; pass the actions of an episode")
    observation, info = env.reset(seed=SEED)
    task = toolenv.task_source.task(info["task"])
    expert = toolenv.task_source.expert(task, np.random.default_rng(SEED))
    actions, over = [], False
    while not over:
        actions.append(expert.act(observation))
        observation, _, terminated, truncated, _ = env.step(actions[-1])
        over = terminated or truncated
    return actions


def _play(env: gymnasium.Env, actions: Sequence[str]) -> list[Transition]:
    env.reset(seed=SEED)
    transitions: list[Transition] = []
    for action in actions:
        transitions.append(_step(env, action))
        if transitions[-1].terminated or transitions[-1].truncated:
            break
    return transitions


def _step(env: gymnasium.Env, action: str) -> Transition:
    observation, reward, terminated, truncated, info = env.step(action)
    if "episode" in info:
        # From gymnasium's RecordEpisodeStatistics; "t" is the wall-clock time of the episode.
        statistics = {key: value for key, value in info["episode"].items() if key != "t"}
        info = {**info, "episode": statistics}
    return Transition(observation, float(reward), terminated, truncated, info)


def _visible(env: gymnasium.Env) -> tuple[object, ...]:
    base = env.unwrapped
    conversation = base.messages if isinstance(base, ToolEnv) else None
    return conversation, base.np_random.bit_generator.state


def _compare(what: str, got: Sequence[Transition], expected: Sequence[Transition]) -> None:
    if len(got) != len(expected):
        raise ForkError(f"{what} took {len(got)} steps, expected {len(expected)}")
    for index, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        for field, a, b in zip(Transition._fields, mine, theirs, strict=True):
            if a != b:
                raise ForkError(f"{what} differs in the {field} of its step {index}: {a!r}, expected {b!r}")
