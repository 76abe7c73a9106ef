"""`gymnasium.make_vec` makes our vectors."""

from collections.abc import Iterator, Mapping
from functools import partial

import gymnasium
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from appo_envs import EnvError, ForkError, register_tool_env
from appo_envs.env import ToolEnv
from appo_envs.grading import exact_match
from appo_envs.tools.base import ToolMaker
from appo_envs.vector import ToolVectorEnv, vector_tool_env
from tests.appo_envs.toy import TASKS, CountTool, toy_env

ID, OWN_ID = "test/VectorToy-v0", "test/VectorOwnTools-v0"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    gymnasium.register(ID, toy_env, vector_entry_point=partial(vector_tool_env, ID))
    yield
    gymnasium.registry.pop(ID)
    gymnasium.registry.pop(OWN_ID, None)


def test_an_id_makes_a_vector_with_settings_for_both() -> None:
    vector = gymnasium.make_vec(
        ID, 3, autoreset_mode=AutoresetMode.SAME_STEP, max_workers=2, step_timeout=9.0, max_turns=2
    )
    assert isinstance(vector, ToolVectorEnv)
    assert (vector.num_envs, vector.metadata["autoreset_mode"]) == (3, AutoresetMode.SAME_STEP)
    assert vector.spec is not None and vector.spec.id == ID
    for env in vector.envs:
        assert isinstance(env, OrderEnforcing) and isinstance(env.env, PassiveEnvChecker)
        assert isinstance(env.unwrapped, ToolEnv) and env.unwrapped.max_turns == 2
    vector.close()


def test_what_gymnasium_adds_to_one_environment_it_adds_to_each_member() -> None:
    vector = gymnasium.make_vec(ID, 2, max_episode_steps=1, disable_env_checker=True)
    assert isinstance(vector, ToolVectorEnv)
    assert [type(env) for env in vector.envs] == [TimeLimit, TimeLimit]
    vector.reset(seed=0)
    assert vector.step(["<count> 1 </count>"] * 2)[3].all()
    vector.close()


def test_it_begins_the_same_episodes_as_the_synchronous_vector() -> None:
    ours = gymnasium.make_vec(ID, 4)
    theirs = gymnasium.make_vec(ID, 4, vectorization_mode="sync")
    assert isinstance(theirs, SyncVectorEnv)
    assert ours.reset(seed=11)[0] == theirs.reset(seed=11)[0]
    ours.close()
    theirs.close()


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="max_wurkers"):
        gymnasium.make_vec(ID, 2, max_wurkers=2)


class _MadeOnce(CountTool):
    """A tool that is made once, and breaks when it is given a negative number."""

    is_made = False

    def __init__(self) -> None:
        super().__init__()
        if self.is_made:
            raise ForkError("another environment has it")
        type(self).is_made = True

    def call(self, arguments: Mapping[str, object], /) -> str:
        if str(arguments["number"]).startswith("-"):
            raise EnvError("it broke")
        return super().call(arguments)


def test_tools_given_as_a_function_are_made_for_every_member() -> None:
    made: list[type[_MadeOnce]] = []

    def tools() -> list[ToolMaker]:
        made.append(type("_Own", (_MadeOnce,), {}))
        return [made[-1]]

    register_tool_env(OWN_ID, tasks=TASKS, tools=tools, grade=exact_match)
    vector = gymnasium.make_vec(OWN_ID, 2)
    assert isinstance(vector, ToolVectorEnv)
    vector.reset(seed=0)
    assert vector.step([f"<count> {number} </count>" for number in (1, 2)])[0][0] == "<result> 1 </result>"
    vector.fork(1, into=[0])
    assert vector.step(["<count> 1 </count>"] * 2)[0] == ("<result> 3 </result>",) * 2
    # The vector's own environment and two members; the one that broke is replaced with tools of its own again.
    assert len(made) == 3
    assert vector.step(["<count> -1 </count>", "<count> 1 </count>"])[3].tolist() == [True, False]
    vector.step(["begins anew", "<count> 1 </count>"])
    assert vector.step(["<count> 4 </count>"] * 2)[0] == ("<result> 4 </result>", "<result> 9 </result>")
    assert len(made) == 4
    vector.close()


def test_members_share_their_task_source() -> None:
    vector = vector_tool_env("appo/KnowledgeQA-v0", 3)
    sources = {id(env.get_wrapper_attr("task_source")) for env in vector.envs}
    assert len(sources) == 1
    vector.close()
