"""What a model can call during an episode."""

from appo_envs.tools.base import Tool, ToolMaker, ToolSchema, tool_schema

__all__ = ["Tool", "ToolMaker", "ToolSchema", "tool_schema"]
