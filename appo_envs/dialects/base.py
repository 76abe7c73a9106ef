"""What a dialect is: the agreement between a model and an environment on how text says "call this tool".

Owns the protocol and what a parsed turn is; one file each for the dialects. Deciding what happens next
belongs to the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from appo_envs.messages import Role
from appo_envs.tools.base import ToolSchema


class CallRequest(NamedTuple):
    """A call that the model wrote.

    Attributes:
        tool: name of the tool.
        text: its argument, as written.
    """

    tool: str
    text: str


class ParsedTurn(NamedTuple):
    """What one turn of the model says.

    Attributes:
        calls: the calls in order. With `problems` they are attempts, possibly incomplete, and must not be
            made. answer: the final answer, without markup and with single spaces; None when the turn gives
            none. problems: what breaks the format, in words for the model; empty for a well-formed turn.
    """

    calls: tuple[CallRequest, ...]
    answer: str | None
    problems: tuple[str, ...]


class Dialect(Protocol):
    """How calls, results and answers look in text."""

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end a turn; a sampler stops after them and keeps them in the action."""
        ...

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every white-space word of the markup and of the problems' texts, for word-level tokenizers."""
        ...

    @property
    def result_role(self) -> Role:
        """Role of the messages that carry results."""
        ...

    def system_prompt(self, tools: Sequence[ToolSchema]) -> str:
        """Instructions for a model that does not know the dialect.

        Raises:
            ValueError: the dialect cannot express a call of one of the tools.
        """
        ...

    def parse(self, text: str) -> ParsedTurn:
        """Read a turn. Never raises, whatever the string; takes time linear in its length."""
        ...

    def render_result(self, text: str) -> str:
        """A result as the model reads it, made inert: it holds no markup of the dialect."""
        ...
