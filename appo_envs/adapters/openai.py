"""Episodes played by any OpenAI-compatible endpoint.

Owns the loop between a chat API and an environment: tool calls become steps, results go back as tool messages, and the
last message is the answer. The client is the caller's, so is everything about keys and retries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from appo_envs.actions import Action
from appo_envs.dialects.boxed import last_boxed
from appo_envs.dialects.json_arguments import read_arguments
from appo_envs.env import ToolEnv
from appo_envs.errors import EnvError
from appo_envs.messages import CallRequest

INSTRUCTIONS = "Use the tools as often as you need. Give the final answer inside \\boxed{}."


class ChatClient(Protocol):
    """What is needed of `openai.OpenAI`: `client.chat.completions.create(...)`."""

    @property
    def chat(self) -> Any:
        """Its chat endpoint."""
        ...


class PlayedEpisode(NamedTuple):
    """An episode that is over.

    Attributes:
        messages: the conversation as the API saw it.
        reward: sum over the steps.
        info: of the last step.
        tokens: prompt and completion tokens that the API counted; 0 where it does not say.
    """

    messages: list[dict[str, Any]]
    reward: float
    info: Mapping[str, Any]
    tokens: int


def play(client: ChatClient, model: str, env: ToolEnv, *, task: str | None = None, **settings: Any) -> PlayedEpisode:
    """Let a model play one episode.

    Args:
        client: such as `openai.OpenAI(base_url=..., api_key=...)`.
        model: name of the model.
        env: reset by this function.
        task: id of the task; None draws one.
        settings: go to the API with each turn, such as temperature or max_tokens.

    Returns:
        The episode. A turn of several calls is one step. Arguments that are no JSON object, or too deeply nested a one,
        reach the tool as text, which says what is wrong with them.

    Raises:
        EnvError: the environment broke. What the client raises is not caught either.
    """
    question, info = env.reset(options={} if task is None else {"task": task})
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": question},
    ]
    total, tokens, over = 0.0, 0, False
    while not over:
        answer = client.chat.completions.create(model=model, messages=messages, tools=env.tool_schemas, **settings)
        tokens += answer.usage.total_tokens if answer.usage else 0
        message = answer.choices[0].message
        calls = tuple(_request(call) for call in message.tool_calls or ())
        messages.append(_as_dict(message.content, calls))
        _, reward, terminated, truncated, info = env.step(_action(message.content or "", calls))
        total, over = total + float(reward), terminated or truncated
        for call, made in zip(calls, info["tool_calls"], strict=False):
            messages.append({"role": "tool", "tool_call_id": call.id, "content": made.result})
        if not over and len(info["tool_calls"]) != len(calls):
            raise EnvError(f"{len(calls)} calls were asked for, {len(info['tool_calls'])} were answered")
    return PlayedEpisode(messages, total, info, tokens)


def _action(text: str, calls: tuple[CallRequest, ...]) -> Action | str:
    if calls:
        return Action(calls)
    boxed = last_boxed(text)
    # Without a box nothing was answered: an empty turn ends the episode as a format error.
    return "" if boxed is None else Action.final(boxed)


def _request(call: Any) -> CallRequest:
    written = call.function.arguments or ""
    try:
        return CallRequest(call.function.name, read_arguments(written), call.id)
    except ValueError:
        return CallRequest(call.function.name, written, call.id)


def _as_dict(content: str | None, calls: tuple[CallRequest, ...]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.text}}
            for call in calls
        ]
    return message
