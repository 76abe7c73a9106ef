"""The tool environment behind gymnasium's wrappers, as a typed object."""

from __future__ import annotations

import gymnasium

from appo_envs import ToolEnv


def tool_env(env: gymnasium.Env) -> ToolEnv:
    """What `env` wraps.

    Raises:
        ValueError: it is not a `ToolEnv`, so it has no tasks, messages or stop strings.
    """
    inner = env.unwrapped
    if not isinstance(inner, ToolEnv):
        raise ValueError(f"the agent needs an environment of appo_envs (a ToolEnv), got {type(inner).__name__}")
    return inner
