"""The tools of one environment: calling them by name, and their states together.

Owns what a failure of a tool costs: a call that fails is text for the model, a tool that broke ends the
episode. What the calls mean for the episode belongs to the environment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType

from appo_envs.errors import EnvError, ToolError, did_you_mean
from appo_envs.messages import CallRequest, ToolCall
from appo_envs.spaces import is_encodable
from appo_envs.tasks.task import Task
from appo_envs.tools.arguments import bind
from appo_envs.tools.base import SharingTool, Tool, ToolMaker, ToolSchema

_log = logging.getLogger(__name__)


class Toolbox:
    """Tools that live and die together.

    Args:
        makers: a maker for each tool.
        max_result_chars: longest result, characters; the rest is cut with a note.

    Raises:
        ValueError: two tools have one name, or a tool has another name in its schema.
    """

    def __init__(self, makers: Sequence[ToolMaker], max_result_chars: int) -> None:
        made = [maker() for maker in makers]
        self._tools: dict[str, Tool] = {tool.name: tool for tool in made}
        if len(self._tools) != len(made):
            raise ValueError(f"tools must have different names, got {[tool.name for tool in made]}")
        for tool in made:
            described = tool.schema["function"]["name"]
            if described != tool.name:
                raise ValueError(f"the tool {tool.name!r} is named {described!r} in its schema; they must agree")
        for index, tool in enumerate(made):
            if isinstance(tool, SharingTool):
                tool.join(made[:index])
        self._max_result_chars = max_result_chars

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tools, in the order of their makers."""
        return tuple(self._tools)

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools by name, in the order of their makers."""
        return MappingProxyType(self._tools)

    @property
    def schemas(self) -> list[ToolSchema]:
        """The tools as chat templates and APIs take them."""
        return [tool.schema for tool in self._tools.values()]

    def reset(self, task: Task) -> None:
        """Begin an episode with every tool."""
        for tool in self._tools.values():
            tool.reset(task)

    def call(self, request: CallRequest) -> ToolCall:
        """Make a call. Whatever a tool raises because of it is its result, as an error.

        Raises:
            EnvError: the tool broke.
        """
        start = time.perf_counter()
        is_error = False
        try:
            result = self._result(request)
        except ToolError as error:
            result, is_error = str(error), True
        except EnvError:
            raise
        except (Exception, SystemExit) as error:
            # The one place that catches everything: a tool is other people's code, and whatever it trips over
            # in the model's text must cost the call and not the run. The log keeps it from hiding.
            _log.warning("tool %s failed on %r", request.tool, request.text[:200], exc_info=True)
            result, is_error = f"error : {type(error).__name__} : {error}", True
        seconds = time.perf_counter() - start
        return ToolCall(request.tool, request.text, self._presentable(result), is_error, seconds)

    def snapshot(self) -> dict[str, object | None]:
        """A handle a tool by name, None where nothing happened since the start of the episode."""
        return {name: tool.snapshot() for name, tool in self._tools.items()}

    def restore(self, task: Task, handles: Mapping[str, object | None]) -> None:
        """Go back to the handles of a snapshot taken in an episode of this task."""
        for name, tool in self._tools.items():
            tool.reset(task)
            tool.restore(handles[name])

    def close(self) -> None:
        """Close every tool, whatever one of them raises."""
        with ExitStack() as closing:
            for tool in self._tools.values():
                closing.callback(tool.close)

    def _result(self, request: CallRequest) -> str:
        tool = self._tools.get(request.tool)
        if tool is None:
            raise ToolError(
                f"error : there is no tool {request.tool!r:.80} ; {did_you_mean(request.tool, self._tools)}"
            )
        result = tool.call(bind(tool.schema, request.arguments))
        if not isinstance(result, str):
            raise TypeError(f"a tool returns a string, {request.tool} returned {type(result).__name__}")
        return result

    def _presentable(self, text: str) -> str:
        limit = self._max_result_chars
        if len(text) > limit:
            note = f" ... [cut: {len(text)} characters in all]"
            text = text[: limit - len(note)] + note
        return text if is_encodable(text) else text.encode("utf-8", "replace").decode()
