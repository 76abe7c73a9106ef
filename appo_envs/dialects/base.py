"""What a dialect is: the agreement between a model and an environment on how text says "call this tool".

Owns the protocol and what a parsed turn is; one file each for the dialects. Deciding what happens next
belongs to the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from appo_envs.messages import CallRequest, Message
from appo_envs.tools.base import ToolSchema


class ParsedTurn(NamedTuple):
    """What one turn of the model says.

    Attributes:
        calls: the calls in order. With `problems` they are attempts, possibly incomplete, and must not be
            made.
        answer: the final answer, without markup and with single spaces; None when the turn gives none.
        problems: what breaks the format, in words for the model; empty for a well-formed turn.
        thoughts: what it says besides, without markup; nothing depends on it but how a turn is shown and converted.
    """

    calls: tuple[CallRequest, ...]
    answer: str | None
    problems: tuple[str, ...] = ()
    thoughts: str = ""


class Dialect(Protocol):
    """How calls, results and answers look in text."""

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end a turn; a sampler stops after them and keeps them in the action."""
        ...

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every white-space word of the markup and of the problems' texts, for word-level tokenizers.

        Empty for a dialect that only subword tokenizers can write.
        """
        ...

    @property
    def inline_results(self) -> bool:
        """Whether results continue the model's own message, or come as messages of their own.

        Only those who sample token by token can continue a message; a chat API gets `messages` in both cases.
        """
        ...

    def system_prompt(self, tools: Sequence[ToolSchema]) -> str:
        """Instructions for a model that does not know the dialect.

        Raises:
            ValueError: the dialect cannot express a call of one of the tools.
        """
        ...

    def parse(self, text: str) -> ParsedTurn:
        """Read a turn. Never raises, whatever the string; takes time linear in its length.

        An empty text says nothing, neither a call nor an answer, and has no problems.
        """
        ...

    def render(self, turn: ParsedTurn) -> str:
        """The text of a well-formed turn, such that `parse(render(turn))` says the same.

        The same are thoughts, the answer up to white space, and calls that `bind` to the same arguments. Ids of calls
        are kept only in native messages.

        Raises:
            ValueError: this dialect cannot say it, because it has problems, neither calls nor an answer,
                more calls than the dialect allows, or the dialect's own markup in its texts.
        """
        ...

    def render_results(self, results: Sequence[str]) -> str:
        """The results of a turn's calls as the model reads them, made inert: none holds the dialect's markup."""
        ...

    def messages(self, action: str, results: Sequence[str]) -> tuple[Message, ...]:
        """What a turn adds to the conversation: the action, then its results, if it made calls."""
        ...


class ReadableDialect(Dialect, Protocol):
    """A dialect whose conversations can be read again, so that they can be converted."""

    def read(self, message: Message) -> ParsedTurn:
        """The turn that an assistant's message of a conversation holds. Never raises."""
        ...

    def read_results(self, message: Message) -> tuple[str, ...]:
        """The results that a message after an assistant's holds, in order; empty if it is no such message.

        Markup that `render_results` made inert stays so.
        """
        ...
