"""The ids by which gymnasium makes our environments.

Owns the list; what an id makes is in `appo_envs.envs`.
"""

from __future__ import annotations

import gymnasium

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
