"""Snapshots in files.

Owns what a file says of a snapshot, and which snapshots can be saved: those whose tools were not used or can write down
their state themselves (`SavableTool`), inside wrappers whose state is known. The task is saved by its id, and neither
its gold answer nor its source is in the file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import gymnasium

from appo_envs.env import ToolEnv
from appo_envs.errors import ForkError, TaskError
from appo_envs.forking import KNOWN_STATE, ForkableWrapper, WrappedState, unwrap
from appo_envs.saving import file
from appo_envs.saving.plain import decode, encode
from appo_envs.state import EnvState, Episode
from appo_envs.tasks.source import TaskSource
from appo_envs.tasks.task import Task
from appo_envs.tools.base import Tool

_EPISODE_FIELDS = tuple([name for name in Episode._fields if name != "task"])


@runtime_checkable
class SavableTool(Protocol):
    """A tool whose state can be written to a file and read in another process."""

    def dump(self, state: Any, /) -> bytes:
        """A snapshot of this tool, never None, as bytes."""
        ...

    def load(self, data: bytes, /) -> object:
        """The snapshot that `dump` made bytes of.

        Raises:
            ValueError: no tool of this kind wrote them.
        """
        ...


def save_snapshot(state: WrappedState, path: str | os.PathLike[str], env: gymnasium.Env | None = None) -> None:
    """Save what `appo_envs.snapshot` returned.

    Args:
        state: the snapshot; its environment may be closed.
        path: of the file. One that exists is replaced, at once and as a whole.
        env: an environment made the same way, whose tools write down their states. Not needed if no tool was used.

    Raises:
        ForkError: a tool was used and cannot write down its state, or the state of a wrapper cannot be written.
        OSError: the file cannot be written.
        TypeError: it is no snapshot of a `ToolEnv`.
    """
    inner = state.env if isinstance(state, WrappedState) else None
    if not isinstance(inner, EnvState):
        raise TypeError(f"expected what appo_envs.snapshot returned of a ToolEnv, got {type(state).__name__}")
    tools = {} if env is None else _tools(env)
    episode = inner.episode
    body = {
        "task": episode.task.id,
        "source": _source_name(inner.source),
        "prompt": _other_prompt(episode.task, inner.source),
        "task_digest": _task_digest(episode.task),
        "episode": {name: encode(getattr(episode, name)) for name in _EPISODE_FIELDS},
        "tools": {name: _dump(name, handle, tools) for name, handle in inner.tools.items()},
        "rng": encode(dict(inner.rng)),
        "wrappers": [[_type_name(kind), _wrapper_form(kind, own)] for kind, own in state.wrappers],
    }
    file.write(Path(path), json.dumps(body, allow_nan=False, separators=(",", ":")).encode())


def load_snapshot(path: str | os.PathLike[str], env: gymnasium.Env) -> WrappedState:
    """Load a snapshot for an environment; `appo_envs.restore` brings it there.

    Args:
        path: of the file.
        env: made the same way as the one that was saved: with the same task source, tools and wrappers. It stays as it
            is.

    Raises:
        ForkError: the environment was made another way.
        OSError: the file cannot be read.
        ValueError: the file is no snapshot, damaged, or of another version.
    """
    body = file.read(Path(path))
    try:
        form = json.loads(body)
        return _read(form, env)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} holds what no snapshot says ({what}); save the snapshot again") from error


def _read(form: Mapping[str, Any], env: gymnasium.Env) -> WrappedState:
    chain, _ = unwrap(env)
    kinds = [type(layer) for layer in chain]
    tools, toolenv = _tools(env), _tool_env(env)
    _expect("wrappers", [name for name, _ in form["wrappers"]], [_type_name(kind) for kind in kinds])
    _expect("tools", list(form["tools"]), list(tools))
    _expect("the task source", form["source"], _source_name(toolenv.task_source))
    try:
        task = toolenv.task_source.task(form["task"])
    except TaskError as error:
        raise ForkError(f"the snapshot's task {form['task']!r} is not in the environment's source: {error}") from error
    # Files of before prompts could be replaced say nothing of it.
    if (prompt := form.get("prompt")) is not None:
        task = task.asking(prompt)
    _expect(f"the digest of task {task.id!r}", form["task_digest"], _task_digest(task))
    if set(form["episode"]) != set(_EPISODE_FIELDS):
        raise ValueError(f"an episode has the fields {_EPISODE_FIELDS}, got {list(form['episode'])}")
    episode = Episode(task, **{name: decode(field) for name, field in form["episode"].items()})
    handles = {name: _load(name, tools[name], data) for name, data in form["tools"].items()}
    wrappers = [(kind, _wrapper_state(kind, own)) for kind, (_, own) in zip(kinds, form["wrappers"], strict=True)]
    return WrappedState(EnvState(toolenv.task_source, episode, handles, decode(form["rng"])), tuple(wrappers))


def _expect(what: str, theirs: object, ours: object) -> None:
    if theirs != ours:
        raise ForkError(
            f"the snapshot and the environment differ in {what}: {theirs!r:.500} in the file, {ours!r:.500} in the "
            "environment; load it in an environment made the same way"
        )


def _dump(name: str, handle: object | None, tools: Mapping[str, Tool]) -> str | None:
    if handle is None:
        return None
    if not tools:
        raise ForkError(
            f"tool {name!r} was used before the snapshot; pass an environment whose tool can write its state"
        )
    tool = tools.get(name)
    if not isinstance(tool, SavableTool):
        raise ForkError(
            f"the snapshot cannot be saved: tool {name!r} was used, and its state cannot be written to a file; only a "
            "tool with the methods dump and load can do that, or one that was not used yet"
        )
    return base64.b64encode(tool.dump(handle)).decode()


def _load(name: str, tool: Tool, data: str | None) -> object | None:
    if data is None:
        return None
    if not isinstance(tool, SavableTool):
        raise ForkError(f"tool {name!r} cannot read its state from a file; it has no methods dump and load")
    try:
        return tool.load(base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise ValueError(f"the state of tool {name!r} is no base64: {error}") from error


def _wrapper_form(kind: type, own: object) -> Any:
    if kind not in KNOWN_STATE and not issubclass(kind, ForkableWrapper):
        raise ForkError(
            f"the snapshot cannot be saved: the state of {kind.__name__} is not known; give the wrapper the methods "
            "snapshot_wrapper, restore_wrapper and rewrap, or snapshot the environment inside it"
        )
    try:
        return encode(own)
    except TypeError as error:
        raise ForkError(f"the snapshot cannot be saved: the state of {kind.__name__} holds {error}") from error


def _wrapper_state(kind: type, form: Any) -> object:
    own = decode(form)
    known = KNOWN_STATE.get(kind)
    if known is not None and (not isinstance(own, dict) or set(own) != set(known)):
        raise ValueError(f"the state of {kind.__name__} has the attributes {known}, got {own!r:.200}")
    return own


def _tool_env(env: gymnasium.Env) -> ToolEnv:
    base = env.unwrapped
    if not isinstance(base, ToolEnv):
        raise ForkError(f"expected a ToolEnv, wrapped or not, got {type(base).__name__}")
    return base


def _tools(env: gymnasium.Env) -> Mapping[str, Tool]:
    return _tool_env(env).tools


def _type_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _source_name(source: TaskSource) -> str:
    """What a source says it is: its settings where it shows them, and its type in any case."""
    shown = repr(source)
    # An address in memory is no setting.
    return type(source).__qualname__ if " at 0x" in shown else f"{type(source).__qualname__} {shown:.500}"


def _other_prompt(task: Task, source: TaskSource) -> str | None:
    """The question that was asked instead of the task's own; None where its own was."""
    return None if source.task(task.id).prompt == task.prompt else task.prompt


def _task_digest(task: Task) -> str:
    # The file shall not give the gold answer away, so both are read only as a whole with the question.
    return hashlib.sha256(json.dumps([task.prompt, task.answer]).encode()).hexdigest()
