"""The conversation and the record of what was called in it.

Owns the values; the environment writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant", "tool"]


class Message(NamedTuple):
    """One message of a conversation."""

    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        """The message as chat templates and APIs take it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that the environment made for the model.

    Attributes:
        tool: the tool's name.
        arguments: what the model wrote for it.
        result: what the model is shown, cut and made inert.
        is_error: the tool refused or failed, or the call was malformed and never made.
        seconds: wall-clock time of the call; two records that differ only in it are equal.
    """

    tool: str
    arguments: str
    result: str
    is_error: bool
    seconds: float = field(compare=False)
