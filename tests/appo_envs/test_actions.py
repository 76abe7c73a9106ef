"""The space of actions that are no text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import appo_envs
from appo_envs.actions import Action, ActionSpace
from appo_envs.messages import CallRequest
from appo_envs.tools.base import ToolSchema, tool_schema
from tests.appo_envs.toy import nested, toy_env


@dataclass
class Place:
    city: str
    floor: int | None = None


@appo_envs.tool
def book(place: Place, nights: int, kind: Literal["single", "double"], notes: list[str], price: float = 1.0) -> str:
    """Book a room."""
    return f"{place} {nights} {kind} {notes} {price}"


ROOMS = ActionSpace(
    [book().schema, tool_schema("search", "finds.", argument="query", argument_description="what")], seed=0
)


def test_samples_are_members_of_every_kind() -> None:
    samples = [ROOMS.sample() for _ in range(300)]
    assert all(sample in ROOMS for sample in samples)
    assert {call.tool for sample in samples for call in sample.calls} == {"book", "search"}
    assert any(sample.answer is not None for sample in samples)


def test_the_same_seed_gives_the_same_actions() -> None:
    first, second = (ActionSpace([book().schema], seed=3) for _ in range(2))
    assert [first.sample() for _ in range(20)] == [second.sample() for _ in range(20)]
    first.seed(3)
    second.seed(4)
    assert [first.sample() for _ in range(20)] != [second.sample() for _ in range(20)]


@pytest.mark.parametrize(
    "stranger",
    [
        "search",
        Action.call("serach", query="x"),
        Action.call("search"),
        Action.call("search", query=3),
        Action.call("search", query="x", k=2),
        Action.call("book", place={"city": "Oslo"}, nights="many", kind="single", notes=[]),
        Action.call("book", place={"city": "Oslo"}, nights=2, kind="triple", notes=[]),
        Action.final("\ud800"),
        Action.call("search", query="\ud800"),
        Action((CallRequest("search", {"query": "x"}), CallRequest("nothing", {}))),
        Action.call("search", query=nested(5000)),
        Action.call("search", query=nested(None)),
        Action((CallRequest("search", 3),)),  # pyright: ignore[reportArgumentType]
        Action((CallRequest(["search"], {}),)),  # pyright: ignore[reportArgumentType]
        Action(("search",)),  # pyright: ignore[reportArgumentType]
        Action.final(3),  # pyright: ignore[reportArgumentType]
    ],
)
def test_strangers_are_not_members(stranger: object) -> None:
    assert stranger not in ROOMS


def test_members_survive_json() -> None:
    samples = [ROOMS.sample() for _ in range(50)] + [Action((CallRequest("search", {"query": "x"}, "c1"),) * 2)]
    assert ROOMS.from_jsonable(json.loads(json.dumps(ROOMS.to_jsonable(samples)))) == samples


def test_arguments_that_an_environment_turns_down_for_their_depth_are_no_members() -> None:
    parameters = {"type": "object", "properties": {"any": {}}}
    tool: ToolSchema = {"type": "function", "function": {"name": "f", "description": "f.", "parameters": parameters}}
    space = ActionSpace([tool])
    assert Action.call("f", any=nested(90)) in space
    assert Action.call("f", any=nested(200)) not in space


def test_arguments_as_text_may_be_members() -> None:
    assert Action((CallRequest("search", "Lo"),)) in ROOMS
    assert Action((CallRequest("book", "Lo"),)) not in ROOMS


def test_a_tool_that_nothing_fits_cannot_be_sampled() -> None:
    nothing = {"allOf": [{"type": "null"}, {"const": 1}]}
    parameters = {"type": "object", "properties": {"a": nothing}, "required": ["a"]}
    tool: ToolSchema = {
        "type": "function",
        "function": {"name": "search", "description": "finds.", "parameters": parameters},
    }
    space = ActionSpace([tool], seed=0)
    with pytest.raises(ValueError, match="no arguments of 'search' were found that its schema allows"):
        [space.sample() for _ in range(20)]


def test_spaces_with_the_same_tools_are_equal() -> None:
    assert ActionSpace([book().schema]) == ActionSpace([book().schema]) != ROOMS
    with pytest.raises(ValueError, match="at least one tool"):
        ActionSpace([])
    with pytest.raises(ValueError, match="no mask"):
        ROOMS.sample(mask=np.ones(1))  # pyright: ignore[reportArgumentType]


def test_gymnasium_accepts_an_environment_of_tool_calls() -> None:
    env = toy_env(action_format="tool_calls")
    assert isinstance(env.action_space, ActionSpace)
    check_env(env, skip_render_check=True)
    assert isinstance(env.sibling().action_space, ActionSpace)
    with pytest.raises(ValueError, match="action_format must be 'text' or 'tool_calls', got 'json'"):
        toy_env(action_format="json")
