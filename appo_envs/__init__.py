"""Gymnasium environments for tool-using language models, forkable at any turn."""

from appo_envs.errors import EnvError, ForkError, SandboxError, TaskError, ToolError
from appo_envs.tasks import Task

__all__ = ["EnvError", "ForkError", "SandboxError", "Task", "TaskError", "ToolError"]
