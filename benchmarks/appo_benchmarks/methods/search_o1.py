r"""A loop after Search-o1: the model searches while it reasons, and reads what was refined from the documents.

Owns the words and the grammar; the refining itself is done by `refining.py`.

Source: Search-o1 (Li et al., 2025), sections 3.3 and 3.4; the prompts are our own. Differs from the paper: a chat API
cannot go on with its own message, so that refined results come as messages of the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appo_benchmarks.methods.boxed_answer import NO_BOX
from appo_benchmarks.methods.chat_dialect import ChatDialect
from appo_envs.dialects.base import ParsedTurn
from appo_envs.dialects.boxed import last_boxed
from appo_envs.messages import CallRequest
from appo_envs.tools.base import ToolSchema

BEGIN_QUERY, END_QUERY = "<|begin_search_query|>", "<|end_search_query|>"
BEGIN_RESULT, END_RESULT = "<|begin_search_result|>", "<|end_search_result|>"
UNCLOSED = f"{BEGIN_QUERY} without {END_QUERY}"

INSTRUCTIONS = f"""\
Answer the question, reasoning step by step. Whenever you are not sure of a fact, search for it: write
{BEGIN_QUERY} your query {END_QUERY}
then stop. You are given what matters of the documents that were found, between {BEGIN_RESULT} and {END_RESULT};
go on with your reasoning from there. You may search several times.
When you know the answer, write it, and nothing else, inside \\boxed{{}}."""


@dataclass(frozen=True)
class SearchO1(ChatDialect):
    """Reasoning with queries in it, and a boxed answer. What comes after a query is not read: it was made up."""

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The end of a query."""
        return (END_QUERY,)

    def system_prompt(self, tools: Sequence[ToolSchema]) -> str:
        """The instructions.

        Raises:
            ValueError: there is another tool than search.
        """
        names = [tool["function"]["name"] for tool in tools]
        if names != ["search"]:
            raise ValueError(f"a query can call the tool 'search' alone, got {names}")
        return INSTRUCTIONS

    def parse(self, text: str) -> ParsedTurn:
        """Whichever comes first, a whole query or the boxed answer."""
        before, began, rest = text.partition(BEGIN_QUERY)
        answer = last_boxed(before)
        if answer:
            return ParsedTurn((), answer)
        if not began:
            return ParsedTurn((), None, (NO_BOX,))
        query, ended, _ = rest.partition(END_QUERY)
        if not ended:
            return ParsedTurn((), None, (UNCLOSED,))
        return ParsedTurn((CallRequest("search", query.strip()),), None)

    def render(self, turn: ParsedTurn) -> str:
        """A query, or a box; see `Dialect.render`."""
        text = f"\\boxed{{{turn.answer}}}" if turn.answer is not None else ""
        if turn.calls:
            text = f"{BEGIN_QUERY} {turn.calls[0].text} {END_QUERY}"
        if self.parse(text) != turn:
            raise ValueError(f"a query or a box cannot say {turn}")
        return text

    def render_results(self, results: Sequence[str]) -> str:
        """What was refined, between the marks of a result."""
        return "\n".join(f"{BEGIN_RESULT} {result} {END_RESULT}" for result in results)
