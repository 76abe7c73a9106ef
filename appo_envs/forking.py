"""Snapshots and forks of an environment inside any number of gymnasium's wrappers.

Owns what happens to the wrappers; the environment itself knows its own state (`ForkableEnv`). Of the wrappers
whose state is known, only that is copied. Any other wrapper either brings hooks (`ForkableWrapper`) or has
all its attributes deep-copied, and those that it got since removed. Wrappers that own files or windows are refused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, cast, runtime_checkable

import gymnasium
from gymnasium import wrappers as w

from appo_envs.errors import ForkError


@runtime_checkable
class ForkableEnv(Protocol):
    """An environment that can go back to an earlier point. `ToolEnv` is one."""

    def snapshot(self) -> object:
        """Its state as a value that nothing changes any more."""
        ...

    def restore(self, state: Any, /) -> None:
        """Go back to a snapshot of this or of an equal environment."""
        ...

    def sibling(self) -> gymnasium.Env:
        """A new environment with the same settings."""
        ...


@runtime_checkable
class ForkableWrapper(Protocol):
    """A wrapper that takes care of its own state."""

    def snapshot_wrapper(self) -> object:
        """Its own state, without the environment inside, as a value that nothing changes any more."""
        ...

    def restore_wrapper(self, state: Any, /) -> None:
        """Go back to a snapshot of this or of an equal wrapper."""
        ...

    def rewrap(self, env: gymnasium.Env, /) -> gymnasium.Wrapper:
        """A new wrapper with the same settings around another environment."""
        ...


@dataclass(frozen=True, slots=True)
class WrappedState:
    """A snapshot of an environment and of the wrappers around it.

    Attributes:
        env: the innermost environment's snapshot.
        wrappers: type and own state of each wrapper, outermost first.
    """

    env: object
    wrappers: tuple[tuple[type, object], ...]


def snapshot(env: gymnasium.Env) -> WrappedState:
    """The state of an environment and its wrappers, to be restored as often as needed.

    The snapshot outlives the environment. It takes microseconds when no tool has run and all wrappers are
    known ones.

    Raises:
        ForkError: the environment cannot be forked, or a wrapper's state cannot be copied.
        ResetNeeded: there is no episode yet.
    """
    chain, base = unwrap(env)
    return WrappedState(base.snapshot(), tuple([(type(layer), _layer_state(layer)) for layer in chain]))


def restore(env: gymnasium.Env, state: WrappedState) -> None:
    """Bring an environment to a snapshot, its own or one of an environment made the same way.

    Raises:
        ForkError: the snapshot comes from other wrappers, other tools or another task source.
        TypeError: it is no snapshot.
    """
    if not isinstance(state, WrappedState):
        raise TypeError(f"expected what appo_envs.snapshot returned, got {type(state).__name__}")
    chain, base = unwrap(env)
    if [type(layer) for layer in chain] != [kind for kind, _ in state.wrappers]:
        theirs, ours = (
            [kind.__name__ for kind, _ in state.wrappers],
            [type(layer).__name__ for layer in chain],
        )
        raise ForkError(
            f"the snapshot has the wrappers {theirs}, the environment has {ours}; restore it in an "
            "environment made the same way"
        )
    base.restore(state.env)
    for layer, (_, layer_state) in zip(chain, state.wrappers, strict=True):
        _restore_layer(layer, layer_state)
        if isinstance(layer, w.PassiveEnvChecker):
            vars(layer).update(_CHECKED)


def fork(env: gymnasium.Env, n: int) -> list[gymnasium.Env]:
    """New environments in the same state, with the same wrappers.

    The forks and the original share nothing that any of them can change, and each is closed for itself.
    Functions that were given to wrappers are code, and are shared.

    Args:
        env: stays as it is.
        n: number of forks, at least 1.

    Raises:
        ForkError: see `snapshot`.
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    state = snapshot(env)
    forks: list[gymnasium.Env] = []
    try:
        for _ in range(n):
            forks.append(_rebuild(env))
            restore(forks[-1], state)
    except BaseException:
        for made in forks:
            made.close()
        raise
    return forks


def sibling(env: gymnasium.Env) -> gymnasium.Env:
    """A new environment with the same settings and wrappers, not yet reset.

    The state of the wrappers is copied as it is; that of an environment which was never reset is no state.

    Raises:
        ForkError: the environment cannot be forked, or a wrapper's state cannot be copied.
    """
    chain, _ = unwrap(env)
    made = _rebuild(env)
    for layer, original in zip(unwrap(made)[0], chain, strict=True):
        _restore_layer(layer, _layer_state(original))
    return made


def unwrap(env: gymnasium.Env) -> tuple[list[gymnasium.Wrapper], ForkableEnv]:
    """The wrappers, outermost first, and the environment inside them.

    Raises:
        ForkError: the environment cannot be forked, or a wrapper owns a file or a window.
    """
    chain: list[gymnasium.Wrapper] = []
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, _REFUSED):
            raise ForkError(
                f"{type(env).__name__} owns a file or a window, which cannot be forked; fork the environment "
                "inside it (env.env) and wrap the forks"
            )
        chain.append(env)
        env = env.env
    if not _is_forkable_env(type(env)):
        raise ForkError(f"{env} cannot be forked; it needs the methods snapshot, restore and sibling")
    return chain, cast(ForkableEnv, env)


KNOWN_STATE: Mapping[type[gymnasium.Wrapper], tuple[str, ...]] = {
    w.OrderEnforcing: ("_has_reset",),
    w.PassiveEnvChecker: (),
    w.TimeLimit: ("_elapsed_steps",),
    w.Autoreset: ("autoreset",),
    w.RecordEpisodeStatistics: (
        "episode_count",
        "episode_start_time",
        "episode_returns",
        "episode_lengths",
        "time_queue",
        "return_queue",
        "length_queue",
    ),
    w.NormalizeReward: ("return_rms", "discounted_reward", "_update_running_mean"),
    w.RenderCollection: ("frame_list",),
    w.StickyAction: ("last_action", "is_sticky_actions", "num_repeats", "repeats_taken"),
}
"""What episodes change in gymnasium's wrappers; everything else in them is settings."""

# What a checker has seen is no state of the episode. It compares the first step with the `reset` before it, which a
# restored environment need not have had.
_CHECKED = {"checked_reset": True, "checked_step": True, "checked_data_reuse": True, "_previous_data": None}
# Attributes of every wrapper: what it wraps, and gymnasium's copy of the spec, which holds all tasks given to `make`.
_NO_STATE = frozenset({"env", "_cached_spec"})
_REFUSED = (w.RecordVideo, w.HumanRendering)


class _StandIn:
    """Stands in a copied wrapper state for the wrapper or for something inside it."""


@cache
def _stand_in(depth: int) -> _StandIn:
    return _StandIn()


@cache
def _is_forkable_env(kind: type) -> bool:
    return issubclass(kind, ForkableEnv)


@cache
def _is_forkable_wrapper(kind: type) -> bool:
    return issubclass(kind, ForkableWrapper)


def _layer_state(layer: gymnasium.Wrapper) -> object:
    if _is_forkable_wrapper(type(layer)):
        return cast(ForkableWrapper, layer).snapshot_wrapper()
    known = KNOWN_STATE.get(type(layer))
    if known is not None:
        return {name: _copy(layer, name, getattr(layer, name), {}) for name in known}
    # A wrapper may hold bound methods of itself or of what it wraps. Stand-ins keep those from being copied
    # too, and `_restore_layer` puts the new wrapper and what it wraps in their place.
    memo: dict[int, object] = {id(env): _stand_in(depth) for depth, env in enumerate(_layers(layer))}
    return {name: _copy(layer, name, value, memo) for name, value in vars(layer).items() if name not in _NO_STATE}


def _restore_layer(layer: gymnasium.Wrapper, state: Any) -> None:
    if _is_forkable_wrapper(type(layer)):
        cast(ForkableWrapper, layer).restore_wrapper(state)
        return
    if type(layer) not in KNOWN_STATE:
        for name in vars(layer).keys() - state.keys() - _NO_STATE:
            delattr(layer, name)
    memo: dict[int, object] = {id(_stand_in(depth)): env for depth, env in enumerate(_layers(layer))}
    for name, value in state.items():
        setattr(layer, name, _copy(layer, name, value, memo))


def _layers(env: gymnasium.Env) -> list[gymnasium.Env]:
    layers = [env]
    while isinstance(env, gymnasium.Wrapper):
        env = env.env
        layers.append(env)
    return layers


def _copy(layer: gymnasium.Wrapper, name: str, value: object, memo: dict[int, object]) -> object:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    try:
        return copy.deepcopy(value, memo)
    except (TypeError, copy.Error) as error:
        raise ForkError(
            f"{type(layer).__name__}.{name} cannot be copied ({error}); give the wrapper the methods "
            "snapshot_wrapper, restore_wrapper and rewrap"
        ) from error


def _rebuild(env: gymnasium.Env) -> gymnasium.Env:
    if not isinstance(env, gymnasium.Wrapper):
        return cast(ForkableEnv, env).sibling()
    inner = _rebuild(env.env)
    if _is_forkable_wrapper(type(env)):
        return cast(ForkableWrapper, env).rewrap(inner)
    layer = copy.copy(env)
    layer.env = inner
    return layer
