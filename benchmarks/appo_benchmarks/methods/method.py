"""The methods by name.

Owns the table and how a turn that a server cut at a stop text is made whole again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appo_benchmarks.errors import BenchmarkError
from appo_benchmarks.methods.boxed_answer import CHAIN_OF_THOUGHT, DIRECT, BoxedAnswer
from appo_benchmarks.methods.react import React
from appo_benchmarks.methods.search_o1 import SearchO1
from appo_benchmarks.methods.tool_integrated import ToolIntegrated
from appo_envs.dialects.base import Dialect
from appo_envs.dialects.tags import TagDialect
from appo_envs.errors import did_you_mean
from appo_envs.tools.base import ToolSchema

RETRIEVED = 5
"""Documents that plain retrieval puts before the question."""


@dataclass(frozen=True)
class Method:
    """A way of asking.

    Attributes:
        name: as it is written on the command line.
        summary: one line.
        dialect: how text is read, given the tools by schema or, where they take one argument, by name.
        tools: given those of the benchmark, the names of the tools that the model may call.
        retrieved: documents that are searched for and put before the question.
        refines: the model refines what a search finds before it reads it; see `refining.py`.
    """

    name: str
    summary: str
    dialect: Callable[[Sequence[ToolSchema | str]], Dialect]
    tools: Callable[[tuple[str, ...]], tuple[str, ...]]
    retrieved: int = 0
    refines: bool = False


def method_of(name: str) -> Method:
    """The method of a name.

    Raises:
        BenchmarkError: there is none; the message names the nearest.
    """
    if name not in METHODS:
        raise BenchmarkError(f"there is no method {name!r}; {did_you_mean(name, METHODS)}")
    return METHODS[name]


def made_whole(text: str, stop_strings: tuple[str, ...]) -> str:
    """The text with the closing tag that a server cut off.

    A policy with tags stops after its closing tag, and the environment wants to see it; most servers leave out the stop
    text that ended a turn.
    """
    for stop in stop_strings:
        opening = _opening(stop)
        if opening and text.rfind(opening) > text.rfind(stop):
            return text + stop
    return text


def _opening(stop: str) -> str:
    """The tag that a closing tag closes; empty for a stop text that closes nothing."""
    if stop.startswith("</"):
        return f"<{stop[2:]}"
    return stop.replace("<|end_", "<|begin_") if stop.startswith("<|end_") else ""


def _none(tools: tuple[str, ...]) -> tuple[str, ...]:
    return ()


def _python(tools: tuple[str, ...]) -> tuple[str, ...]:
    return ("python",)


def _search(tools: tuple[str, ...]) -> tuple[str, ...]:
    return ("search",)


def _all(tools: tuple[str, ...]) -> tuple[str, ...]:
    return tools


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("trained", "the tags that APPO's policies are trained with", TagDialect.of, _all),
        Method("direct", "nothing but the answer", lambda tools: BoxedAnswer(DIRECT), _none),
        Method("cot", "a chain of thought, then the answer", lambda tools: BoxedAnswer(CHAIN_OF_THOUGHT), _none),
        Method(
            "tir", "tool-integrated reasoning: thoughts and blocks of Python", lambda tools: ToolIntegrated(), _python
        ),
        Method("react", "thought, action, observation", lambda tools: React(), _all),
        Method(
            "rag",
            f"the {RETRIEVED} best documents before the question, then a chain of thought",
            lambda tools: BoxedAnswer(CHAIN_OF_THOUGHT),
            _none,
            retrieved=RETRIEVED,
        ),
        Method(
            "search-o1",
            "searches inside the reasoning, with documents refined before they are read",
            lambda tools: SearchO1(),
            _search,
            refines=True,
        ),
    )
}
