"""Tasks and where they come from."""

from appo_envs.tasks.task import Task

__all__ = ["Task"]
