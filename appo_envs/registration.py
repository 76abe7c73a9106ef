"""The ids by which gymnasium makes environments.

Owns the list of ours, and the registering of others; what an id makes is in `appo_envs.envs`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import gymnasium
from gymnasium.envs.registration import parse_env_id

from appo_envs.dialects.base import Dialect
from appo_envs.envs.declared import Grade, Tools, check_declared, declared_env
from appo_envs.rewards import Reward
from appo_envs.tasks.resolve import Tasks, task_source

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

_ENTRY_POINTS = {
    "appo/DeepSearch-v0": "appo_envs.envs.deep_search:deep_search",
    "appo/KnowledgeQA-v0": "appo_envs.envs.knowledge_qa:knowledge_qa",
    "appo/Ledger-v0": "appo_envs.envs.ledger:ledger",
    "appo/MathPython-v0": "appo_envs.envs.math_python:math_python",
}


def register_envs() -> None:
    """Make the ids known to gymnasium. Doing it again changes nothing."""
    for env_id, entry_point in _ENTRY_POINTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point, vector_entry_point=partial(_vector, env_id))


def env_ids() -> tuple[str, ...]:
    """The ids of this package."""
    return tuple(_ENTRY_POINTS)


def register_tool_env(
    env_id: str,
    *,
    tasks: Tasks,
    tools: Tools,
    grade: Grade,
    dialect: Dialect | str | None = None,
    reward: Reward | None = None,
    split: str = "train",
    max_turns: int = 8,
    max_tool_calls: int = 8,
    max_observation_chars: int = 10_000,
) -> None:
    """Make an environment of your own known to gymnasium.

    Afterwards `gymnasium.make(env_id)` makes it, with any of these settings given anew, and so does everything that
    takes an id. ::

        register_tool_env("my/Weather-v0", tasks=tasks, tools=[weather], grade=exact_match)

    Unless `tools` is a function, everything is checked now, by making one environment and closing it.

    Args:
        env_id: such as "my/Weather-v0".
        tasks: a task source; or a list of tasks for each split; or a list, which is the split "train"; or the path of
            a .jsonl file; or a data set of the hub, as "hub:OWNER/NAME".
        tools: see `declared_env`. A function is called for every environment, forks and members of vectors included,
            which is for tools that cannot be in two environments at once.
        grade: (answer, gold answer) -> a number in [0, 1], or whether it is right.
        dialect: how the model calls the tools, or its registered name; None for tags with the tools' names.
        reward: see `ToolEnv`.
        split: see `ToolEnv`.
        max_turns: see `ToolEnv`.
        max_tool_calls: see `ToolEnv`.
        max_observation_chars: see `ToolEnv`.

    Raises:
        TypeError: see `declared_env`.
        ValueError: the id is malformed or taken; or see `declared_env`.
    """
    _check_id(env_id)
    check_declared(tools, grade)
    # In a partial and not in the spec's keywords: gymnasium deep-copies those for every environment.
    make = partial(
        declared_env,
        tasks=task_source(tasks),
        tools=tools if callable(tools) else tuple(tools),
        grade=grade,
        dialect=dialect,
        reward=reward,
        split=split,
        max_turns=max_turns,
        max_tool_calls=max_tool_calls,
        max_observation_chars=max_observation_chars,
    )
    if not callable(tools):
        make().close()
    entry_point = cast(Callable[..., gymnasium.Env], make)
    try:
        gymnasium.register(env_id, entry_point, vector_entry_point=partial(_vector, env_id))
    except gymnasium.error.RegistrationError as error:
        # A name is either with or without a version.
        raise ValueError(f"{env_id!r} cannot be registered: {error}") from error


def _vector(env_id: str, **settings: Any) -> VectorEnv:
    # Imported here because few need vectors, and `import appo_envs` should be quick.
    from appo_envs.vector.making import vector_tool_env

    return vector_tool_env(env_id, **settings)


def _check_id(env_id: str) -> None:
    try:
        parse_env_id(env_id)
    except gymnasium.error.Error as error:
        raise ValueError(f"{env_id!r} is no environment id; write it like 'my/Weather-v0'") from error
    if ":" in env_id:
        raise ValueError(f"{env_id!r} names a module before the colon; an id has none, as in 'my/Weather-v0'")
    if env_id in gymnasium.registry:
        raise ValueError(f"{env_id!r} is taken; choose another id, or free it with gymnasium.registry.pop({env_id!r})")
