"""Environments for TRL's `GRPOTrainer`.

Owns the shape that TRL asks for: a data set of prompts, a class whose methods are the tools, and a reward. The model's
calls and its last message become steps of the environment, so rewards and limits are the environment's own. An episode
that a broken environment ended has no reward, and nothing is learned from it. ::

    games = TrlEnvironments("appo/KnowledgeQA-v0", hops=2)
    GRPOTrainer(
        model=...,
        train_dataset=games.as_dataset(1000),
        environment_factory=games.environment_factory,
        reward_funcs=games.reward,
        ...,
    )
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import gymnasium

from appo_envs.actions import Action
from appo_envs.dialects.boxed import last_boxed
from appo_envs.env import ToolEnv
from appo_envs.errors import EnvError
from appo_envs.messages import ToolCall
from appo_envs.tools.base import ToolSchema

if TYPE_CHECKING:
    from datasets import Dataset

INSTRUCTIONS = "Use the tools as often as you need. Give the final answer inside \\boxed{}."
_PYTHON_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}
OVER = "error : the episode is over ; give the final answer"
_TRLS_OWN = ("reset", "get_reward")

_log = logging.getLogger(__name__)


class TrlEnvironments:
    """One environment id as TRL takes it.

    Args:
        env_id: as `gymnasium.make` takes it.
        split: where tasks come from.
        options: keyword arguments of the environment.

    Raises:
        TypeError: the id makes no `ToolEnv`.
        ValueError: TRL would not offer a tool because of its name: "reset", "get_reward", or a leading underscore.
    """

    def __init__(self, env_id: str, *, split: str = "train", **options: Any) -> None:
        self._env_id, self._split, self._options = env_id, split, options
        probe = self._make()
        self._tasks = probe.tasks(split)
        schemas = probe.tool_schemas
        probe.close()
        self._kind = type(f"{probe.__class__.__name__}Tools", (_Tools,), _methods(env_id, schemas))

    def environment_factory(self) -> Any:
        """A new environment; TRL makes one for each rollout of a batch and uses it again and again."""
        return self._kind(self._make())

    def as_dataset(self, size: int) -> Dataset:
        """The first tasks of the split as conversations, with the task's id beside.

        Args:
            size: number of tasks, at least 1; not more than the split has.

        Raises:
            ValueError: the size is out of range.
        """
        from datasets import Dataset

        if not 1 <= size <= len(self._tasks):
            raise ValueError(f"size must be in [1, {len(self._tasks)}], got {size}")
        tasks = [self._tasks[place] for place in range(size)]
        prompts = [
            [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": task.prompt}] for task in tasks
        ]
        return Dataset.from_dict({"prompt": prompts, "task": [task.id for task in tasks]})

    def reward(self, completions: Sequence[Any], environments: Sequence[Any], **columns: Any) -> list[float | None]:
        """Give each environment the model's last message as the answer, and return the episodes' rewards.

        None stands for an episode that was lost because the environment broke. TRL leaves it out of the group's
        baseline and gives it no advantage; any number would blame or praise the model for what it could not help. If
        TRL has other reward functions too, theirs alone count for it.
        """
        pairs = zip(completions, environments, strict=True)
        return [cast(_Tools, environment)._answered(_last_text(said)) for said, environment in pairs]

    def _make(self) -> ToolEnv:
        env = gymnasium.make(self._env_id, disable_env_checker=True, **self._options).unwrapped
        if not isinstance(env, ToolEnv):
            raise TypeError(
                f"{self._env_id} makes a {type(env).__name__}; the adapter needs an environment of appo_envs"
            )
        return env


class _Tools:
    """What TRL sees of an environment: `reset`, and in subclasses a method for each tool."""

    # TRL offers every public method to the model as a tool, `reset` and `get_reward` excepted.
    def __init__(self, env: ToolEnv) -> None:
        self._env = env
        self._over = False
        # Of an episode that is over; None if it was lost.
        self._reward: float | None = None

    def reset(self, task: str, **columns: object) -> None:
        """Begin an episode on the row's task."""
        self._env.reset(options={"task": task})
        self._over, self._reward = False, None

    def _call(self, tool: str, arguments: Mapping[str, object]) -> str:
        if self._over:
            return OVER
        calls = self._step(Action.call(tool, **arguments))
        return OVER if self._over else calls[0].result

    def _answered(self, text: str) -> float | None:
        if not self._over:
            boxed = last_boxed(text)
            # A grader that breaks costs this episode, as a tool would, and not the training.
            with suppress(EnvError):
                self._step(Action.final(boxed) if boxed is not None else "")
        return self._reward

    def _step(self, action: Action | str) -> tuple[ToolCall, ...]:
        try:
            _, reward, terminated, truncated, info = self._env.step(action)
        except EnvError as error:
            # TRL shows the error of a tool to the model and to nobody else.
            _log.warning("an episode is lost and gets no reward: %s", error)
            self._over = True
            raise
        if terminated or truncated:
            self._over, self._reward = True, float(reward)
        return info["tool_calls"]


def _methods(env_id: str, schemas: Sequence[ToolSchema]) -> dict[str, Callable[..., str]]:
    methods = {_name(schema): _method(schema) for schema in schemas}
    for name in methods:
        if name in _TRLS_OWN or name.startswith("_"):
            raise ValueError(
                f"{env_id} has a tool {name!r}, which TRL would not offer to the model: it keeps "
                f"{' and '.join(_TRLS_OWN)} for itself and takes a leading underscore for private; "
                'give the tool another name, such as by @tool(name="...")'
            )
    return methods


def _method(schema: ToolSchema) -> Callable[..., str]:
    """A method with the signature and the docstring of a tool, from which TRL makes a schema again."""
    name, parameters = _name(schema), schema["function"]["parameters"]
    properties = cast(Mapping[str, Mapping[str, Any]], parameters["properties"])
    required = cast(Sequence[str], parameters.get("required", ()))

    def method(self: _Tools, **arguments: object) -> str:
        return self._call(name, arguments)

    kinds = {key: _PYTHON_TYPES.get(str(value.get("type")), str) for key, value in properties.items()}
    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = [inspect.Parameter("self", keyword)]
    for key in sorted(properties, key=lambda key: key not in required):
        default = inspect.Parameter.empty if key in required else properties[key].get("default")
        signature.append(inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kinds[key]))
    described = [f"    {key}: {value.get('description', key)}" for key, value in properties.items()]
    method.__name__ = method.__qualname__ = name
    method.__doc__ = "\n".join([schema["function"]["description"], "", "Args:", *described])
    method.__annotations__ = {**kinds, "return": str}
    vars(method)["__signature__"] = inspect.Signature(signature, return_annotation=str)
    return method


def _name(schema: ToolSchema) -> str:
    return schema["function"]["name"]


def _last_text(completion: Any) -> str:
    """The last message of a conversation, or the text itself."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    return content if isinstance(content, str) else ""
