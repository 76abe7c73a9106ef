"""Gymnasium environments for tool-using language models, forkable at any turn."""

from appo_envs.actions import Action, CutText
from appo_envs.checker import check_fork
from appo_envs.env import ToolEnv
from appo_envs.errors import EnvError, ForkError, SandboxError, TaskError, ToolError
from appo_envs.forking import fork, restore, snapshot
from appo_envs.registration import register_envs, register_tool_env
from appo_envs.saving import load_snapshot, save_snapshot
from appo_envs.tasks import Task
from appo_envs.tools.function import tool

__all__ = [
    "Action",
    "CutText",
    "EnvError",
    "ForkError",
    "SandboxError",
    "Task",
    "TaskError",
    "ToolEnv",
    "ToolError",
    "check_fork",
    "fork",
    "load_snapshot",
    "register_tool_env",
    "restore",
    "save_snapshot",
    "snapshot",
    "tool",
]

register_envs()
