"""Actions that are no plain text: calls of tools, the answer, or a text that was cut.

Owns the values and gymnasium's space of calls. An environment reads calls without a dialect, and writes them into the
conversation by its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Space

from appo_envs.dialects.json_arguments import is_deep
from appo_envs.errors import ToolError
from appo_envs.messages import CallRequest
from appo_envs.spaces import is_encodable
from appo_envs.tools.arguments import bind
from appo_envs.tools.base import ToolSchema
from appo_envs.tools.draw import draw_text, draw_value

_ATTEMPTS = 100


class CutText(str):
    """What a model wrote until a limit on its tokens cut it off.

    Only the model's side knows this. With neither a call nor an answer such a turn truncates the episode, where a whole
    text would end it as a broken format.
    """

    __slots__ = ()


@dataclass(frozen=True)
class Action:
    """One turn of a policy that calls tools by name.

    Attributes:
        calls: the calls, in order.
        answer: the final answer; None while calls are made.

    Raises:
        ValueError: it has both calls and an answer, or neither.
    """

    calls: tuple[CallRequest, ...] = ()
    answer: str | None = None

    def __post_init__(self) -> None:
        if bool(self.calls) == (self.answer is not None):
            raise ValueError(f"an action has calls or an answer, got {len(self.calls)} calls and {self.answer!r:.80}")

    @classmethod
    def call(cls, tool: str, /, **arguments: object) -> Action:
        """A call of one tool."""
        return cls((CallRequest(tool, arguments),))

    @classmethod
    def final(cls, answer: str, /) -> Action:
        """The answer."""
        return cls((), answer)


class ActionSpace(Space[Action]):
    """Calls of known tools, with arguments that fit their schemas, or an answer.

    Args:
        tools: schemas of the tools; at least one.
        seed: of `sample`.

    Raises:
        ValueError: there are no tools.
    """

    def __init__(self, tools: Sequence[ToolSchema], *, seed: int | np.random.Generator | None = None) -> None:
        if not tools:
            raise ValueError("a space of tool calls needs at least one tool")
        self.tools = {tool["function"]["name"]: tool for tool in tools}
        super().__init__(seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """False: an action is not an array."""
        return False

    def contains(self, x: Any) -> bool:
        """Whether x is an action whose calls name known tools and whose arguments fit them."""
        if not isinstance(x, Action):
            return False
        if x.answer is not None:
            return isinstance(x.answer, str) and is_encodable(x.answer)
        return all(isinstance(call, CallRequest) and self._fits(call) for call in x.calls)

    def sample(self, mask: None = None, probability: None = None) -> Action:
        """A call of a random tool, or one time in four an answer.

        Raises:
            ValueError: a mask or probabilities were given, and there are none; or no arguments of a tool were found
                that its schema allows.
        """
        if mask is not None or probability is not None:
            raise ValueError("a space of tool calls takes no mask and no probabilities")
        if self.np_random.random() < 0.25:
            return Action.final(draw_text(self.np_random))
        name = list(self.tools)[int(self.np_random.integers(len(self.tools)))]
        parameters = self.tools[name]["function"]["parameters"]
        for _ in range(_ATTEMPTS):
            arguments = draw_value({"type": "object", **parameters}, parameters, self.np_random)
            call = CallRequest(name, arguments if isinstance(arguments, dict) else {})
            if self._fits(call):
                return Action((call,))
        raise ValueError(f"no arguments of {name!r} were found that its schema allows: {dict(parameters)!r:.300}")

    def to_jsonable(self, sample_n: Iterable[Action]) -> list[Any]:
        """Each action as an answer, or as a list of tool and arguments."""
        return [
            {"answer": one.answer} if one.answer is not None else {"calls": [list(call) for call in one.calls]}
            for one in sample_n
        ]

    def from_jsonable(self, sample_n: Iterable[Any]) -> list[Action]:
        """The inverse of `to_jsonable`."""
        return [
            Action.final(one["answer"])
            if "answer" in one
            else Action(tuple([CallRequest(tool, arguments, name) for tool, arguments, name in one["calls"]]))
            for one in sample_n
        ]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActionSpace) and self.tools == other.tools

    def __hash__(self) -> int:
        return hash((ActionSpace, *self.tools))

    def __repr__(self) -> str:
        return f"ActionSpace({', '.join(self.tools)})"

    def _fits(self, call: CallRequest) -> bool:
        if not isinstance(call.tool, str) or call.tool not in self.tools:
            return False
        if not isinstance(call.arguments, (str, Mapping)) or is_deep(call.arguments):
            return False
        try:
            bind(self.tools[call.tool], call.arguments)
            return is_encodable(call.text)
        except (ToolError, ValueError, RecursionError):
            # The latter two come from values that JSON cannot say.
            return False
