"""The ids by which gymnasium makes our environments.

Owns the list; what an id makes is in `appo_envs.envs`.
"""

from __future__ import annotations

import gymnasium

from appo_envs.errors import did_you_mean

_ENTRY_POINTS = {
    "appo/KnowledgeQA-v0": "appo_envs.envs.knowledge_qa:knowledge_qa",
    "appo/MathPython-v0": "appo_envs.envs.math_python:math_python",
}


def register_envs() -> None:
    """Make the ids known to gymnasium. Doing it again changes nothing."""
    for env_id, entry_point in _ENTRY_POINTS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point)


def env_ids() -> tuple[str, ...]:
    """The ids of this package."""
    return tuple(_ENTRY_POINTS)


def check_env_id(env_id: str) -> None:
    """Raise ValueError, naming the nearest id, unless gymnasium knows the id, with or without version."""
    known = list(gymnasium.registry)
    name = env_id.partition(":")[2] or env_id
    if name not in known and not any(entry.rpartition("-v")[0] == name for entry in known):
        raise ValueError(f"there is no environment {env_id!r}; {did_you_mean(name, env_ids())}")
