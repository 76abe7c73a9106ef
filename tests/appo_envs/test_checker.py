"""The check that an environment forks as it should finds what is wrong."""

import gymnasium
import pytest

from appo_envs import check_fork
from appo_envs.env import ToolEnv
from appo_envs.errors import ForkError
from appo_envs.state import EnvState
from tests.appo_envs.toy import CountTool, toy_env


def test_a_sound_environment_passes() -> None:
    check_fork(toy_env())


def test_actions_can_be_given() -> None:
    check_fork(toy_env(), ["<count> 1 </count>", "nothing"])


def test_no_actions_check_nothing_and_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one action"):
        check_fork(toy_env(), [])


def test_an_environment_without_a_demonstrator_needs_actions() -> None:
    with pytest.raises(ValueError, match="pass the actions"):
        check_fork(gymnasium.make("CartPole-v1"))


def test_a_tool_whose_state_is_not_saved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountTool, "snapshot", lambda self: None)
    with pytest.raises(ForkError, match="first fork before step 1.*differs in the observation of its step 0"):
        check_fork(toy_env())


def test_a_tool_shared_by_forks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def sibling(self: ToolEnv) -> ToolEnv:
        env = toy_env()
        env._toolbox = self._toolbox
        return env

    monkeypatch.setattr(ToolEnv, "sibling", sibling)
    with pytest.raises(ForkError, match="differs in"):
        check_fork(toy_env())


def test_a_tool_shared_by_the_forks_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = toy_env()._toolbox

    def sibling(self: ToolEnv) -> ToolEnv:
        env = toy_env()
        env._toolbox = shared
        return env

    monkeypatch.setattr(ToolEnv, "sibling", sibling)
    with pytest.raises(ForkError, match="first fork before step 0, after the second had left, differs"):
        check_fork(toy_env())


def test_a_conversation_that_is_not_restored_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = ToolEnv.restore

    def restore(self: ToolEnv, state: EnvState) -> None:
        sound(self, state)
        self.reset(seed=1)

    monkeypatch.setattr(ToolEnv, "restore", restore)
    with pytest.raises(ForkError, match="first fork before step 0 differs at once"):
        check_fork(toy_env())


def test_a_tool_that_forgets_its_state_with_its_environment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: dict[int, int] = {}

    def snapshot(self: CountTool) -> object | None:
        if self.total is not None:
            alive[id(self)] = self.total
        return id(self)

    def restore(self: CountTool, state: object) -> None:
        assert isinstance(state, int)
        self.total = alive.get(state)

    monkeypatch.setattr(CountTool, "snapshot", snapshot)
    monkeypatch.setattr(CountTool, "restore", restore)
    monkeypatch.setattr(CountTool, "close", lambda self: alive.pop(id(self), None))
    with pytest.raises(ForkError, match="differs in the observation"):
        check_fork(toy_env())


def test_results_that_depend_on_more_than_the_seed_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def call(self: CountTool, text: str, /) -> str:
        calls.append(text)
        return str(len(calls))

    monkeypatch.setattr(CountTool, "call", call)
    with pytest.raises(ForkError, match="second episode with the same seed differs in the observation of its step 0"):
        check_fork(toy_env())
