"""Search tools."""

from appo_envs.tools.search.local import LocalSearch

__all__ = ["LocalSearch"]
