"""An environment that insists on user namespaces for its Python sessions."""

from __future__ import annotations

import gymnasium

from appo_envs import ToolEnv
from appo_envs.grading import number_equal
from appo_envs.tasks.arithmetic import ArithmeticStories
from appo_envs.tools.python import PythonSettings, PythonTool

STRICT_ID = "appo-tests/StrictPython-v0"


def strict_python() -> ToolEnv:
    tool = PythonTool(PythonSettings(floor=(("userns",),)))
    return ToolEnv(ArithmeticStories(max_steps=1), [lambda: tool], "tags", number_equal)


gymnasium.register(STRICT_ID, entry_point=f"{__name__}:strict_python")
