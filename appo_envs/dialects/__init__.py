"""How a model's text calls tools and gives answers."""

from appo_envs.dialects.base import CallRequest, Dialect, ParsedTurn
from appo_envs.dialects.tags import TagDialect

__all__ = ["CallRequest", "Dialect", "ParsedTurn", "TagDialect"]
