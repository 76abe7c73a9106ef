"""A vector renders every member, and one without an episode holds up nobody."""

from typing import Any

import gymnasium
import pytest
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import OrderEnforcing, RenderCollection

from appo_envs.env import ToolEnv
from appo_envs.vector import ToolVectorEnv
from tests.appo_envs.toy import toy_env

COUNT, BREAK = "<count> 1 </count>", "<hostile> break </hostile>"


def _env(render_mode: str) -> gymnasium.Env[str, Any]:
    """One that refuses to render before it was reset."""
    return OrderEnforcing(toy_env(render_mode=render_mode))


def _rendered(vector: ToolVectorEnv) -> tuple[Any, ...]:
    rendered = vector.render()
    assert rendered is not None
    return rendered


def test_members_are_rendered() -> None:
    vector = ToolVectorEnv(_env("ansi"), 2)
    vector.reset(seed=0)
    first, second = _rendered(vector)
    assert "question" in first and "question" in second
    assert ToolVectorEnv(toy_env(), 2).render() is None
    vector.close()
    with pytest.raises(ClosedEnvironmentError, match="render was used on a closed vector"):
        vector.render()


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_member_that_lost_its_environment_renders_nothing_until_it_is_reset(mode: AutoresetMode) -> None:
    vector = ToolVectorEnv(_env("ansi"), 2, autoreset_mode=mode)
    vector.reset(seed=0)
    vector.step([BREAK, COUNT])
    lost, other = _rendered(vector)
    assert "question" in other
    # In this mode the next episode has begun in the same step.
    assert ("question" in lost) if mode is AutoresetMode.SAME_STEP else lost == ""
    assert len(vector.envs) == 2
    assert _rendered(vector) == (lost, other)
    vector.send_reset([0])
    vector.recv()
    assert "question" in _rendered(vector)[0]
    vector.close()


def test_a_lost_member_that_is_restored_renders_again() -> None:
    vector = ToolVectorEnv(_env("ansi"), 2)
    vector.reset(seed=0)
    vector.step([BREAK, COUNT])
    vector.fork(1, into=[0])
    first, second = _rendered(vector)
    assert first == second != ""
    vector.close()


@pytest.mark.parametrize(
    ("env", "nothing"), [(_env("ansi"), ""), (_env("human"), None), (RenderCollection(_env("ansi")), [])]
)
def test_rendering_makes_no_environment(
    env: gymnasium.Env[str, Any], nothing: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = ToolVectorEnv(env, 2)

    def sibling(self: ToolEnv) -> ToolEnv:
        raise AssertionError("an environment was made")

    with monkeypatch.context() as patch:
        patch.setattr(ToolEnv, "sibling", sibling)
        assert _rendered(vector) == (nothing, nothing)
    vector.reset(seed=0)
    assert all(type(rendered) is type(nothing) for rendered in _rendered(vector))
    vector.close()
