"""What a model can call during an episode."""

from appo_envs.tools.base import Tool, ToolMaker, ToolSchema

__all__ = ["Tool", "ToolMaker", "ToolSchema"]
