"""Snapshots and forks inside gymnasium's wrappers."""

import io
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.envs.registration import EnvSpec

import appo_envs
from appo_envs.env import ToolEnv
from appo_envs.errors import ForkError
from tests.appo_envs.toy import RIGHT, CountTool, toy_env


def _count(env: gymnasium.Env, number: int = 1) -> str:
    return env.step(f"<count> {number} </count>")[0]


def _begun(env: gymnasium.Env) -> gymnasium.Env:
    env.reset(seed=0, options={"task": "t/3"})
    return env


def _total(env: gymnasium.Env) -> int | None:
    base = env.unwrapped
    assert isinstance(base, ToolEnv)
    tool = base.tools["count"]
    assert isinstance(tool, CountTool)
    return tool.total


def test_a_fork_goes_on_from_the_same_state() -> None:
    env = _begun(toy_env())
    _count(env, 5)
    first, second = appo_envs.fork(env, 2)
    assert _count(first, 1) == "<result> 6 </result>"
    assert _count(second, 2) == "<result> 7 </result>"


def test_a_fork_does_not_change_its_parent() -> None:
    env = toy_env()
    _begun(env)
    _count(env, 5)
    before = env.snapshot(), env.messages, _total(env)
    (fork,) = appo_envs.fork(env, 1)
    _count(fork)
    fork.step("")
    fork.reset(seed=9)
    fork.action_space.sample()
    fork.close()
    assert (env.snapshot(), env.messages, _total(env)) == before
    assert _count(env) == "<result> 6 </result>"


def test_a_parent_does_not_change_its_fork() -> None:
    env = _begun(toy_env())
    (fork,) = appo_envs.fork(env, 1)
    _count(env, 5)
    env.close()
    assert _count(fork) == "<result> 1 </result>"


def test_forks_share_neither_tools_nor_spaces_nor_generators() -> None:
    env = toy_env()
    _begun(env)
    (fork,) = appo_envs.fork(env, 1)
    assert isinstance(fork, ToolEnv)
    assert fork.tools["count"] is not env.tools["count"]
    assert fork.action_space is not env.action_space
    assert fork.np_random is not env.np_random
    assert [env.reset()[1]["task"] for _ in range(5)] == [fork.reset()[1]["task"] for _ in range(5)]


def test_a_fork_keeps_the_settings_and_the_spec() -> None:
    env = toy_env(max_turns=2, render_mode="ansi")
    env.spec = EnvSpec("toy/Toy-v0", toy_env)
    _begun(env)
    (fork,) = appo_envs.fork(env, 1)
    assert isinstance(fork, ToolEnv)
    assert (fork.max_turns, fork.render_mode, fork.spec) == (2, "ansi", env.spec)


def test_forks_of_forks_go_on() -> None:
    env = _begun(toy_env(max_turns=50, max_tool_calls=50))
    for generation in range(1, 31):
        (env,) = appo_envs.fork(env, 1)
        assert _count(env) == f"<result> {generation} </result>"


def _chain(env: gymnasium.Env) -> gymnasium.Env:
    env = wrappers.OrderEnforcing(wrappers.PassiveEnvChecker(env))
    return wrappers.Autoreset(wrappers.RecordEpisodeStatistics(wrappers.TimeLimit(env, 3)))


def test_the_state_of_known_wrappers_is_forked() -> None:
    env = _begun(_chain(toy_env()))
    _count(env)
    _count(env)
    (fork,) = appo_envs.fork(env, 1)
    ended = fork.step(RIGHT.format(3))
    assert ended[4]["episode"]["r"] == 1.0 and ended[4]["episode"]["l"] == 3
    # The original has a step left before its time limit, and its statistics saw nothing of the fork's end.
    assert env.get_wrapper_attr("episode_count") == 0
    assert env.step("<count> 1 </count>")[3] is True
    assert env.get_wrapper_attr("episode_count") == 1
    # Each resets itself in its next step, as `Autoreset` says.
    assert fork.step("ignored")[0].startswith("question")


def test_restoring_brings_wrappers_back_too() -> None:
    env = wrappers.RecordEpisodeStatistics(wrappers.TimeLimit(toy_env(), 2))
    _begun(env)
    _count(env)
    state = appo_envs.snapshot(env)
    for _ in range(3):
        assert env.step("<count> 1 </count>")[3] is True
        assert (env.episode_count, len(env.return_queue)) == (1, 1)
        appo_envs.restore(env, state)
    assert (env.episode_count, len(env.return_queue)) == (0, 0)


def test_a_fork_of_an_order_enforcing_wrapper_needs_no_reset() -> None:
    env = _begun(wrappers.OrderEnforcing(toy_env()))
    state = appo_envs.snapshot(env)
    other = wrappers.OrderEnforcing(toy_env())
    appo_envs.restore(other, state)
    assert _count(other) == "<result> 1 </result>"


def test_a_snapshot_is_restored_where_nothing_was_reset_yet() -> None:
    env = _begun(_chain(toy_env()))
    for expected in ("<result> 1 </result>", "<result> 2 </result>", "<result> 3 </result>"):
        other = _chain(toy_env())
        appo_envs.restore(other, appo_envs.snapshot(env))
        assert _count(other) == _count(env) == expected


class _Diary(gymnasium.Wrapper):
    """An unknown wrapper with mutable state and bound methods of itself, of what it wraps and of the environment."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.pages: list[str] = []
        self.same_pages = self.pages
        self.write = self.pages.append
        self.me, self.inner_step, self.base_step = self.noted, env.step, env.unwrapped.step

    def noted(self) -> int:
        return len(self.pages)

    def step(self, action: Any) -> Any:
        self.pages.append(action)
        return self.inner_step(action)


def test_an_unknown_wrapper_is_deep_copied_and_wired_to_its_own_environment() -> None:
    env = _Diary(wrappers.OrderEnforcing(toy_env()))
    _begun(env)
    _count(env, 5)
    (fork,) = appo_envs.fork(env, 1)
    assert isinstance(fork, _Diary)
    assert fork.pages == env.pages and fork.pages is not env.pages and fork.same_pages is fork.pages
    assert fork.inner_step.__self__ is fork.env and fork.base_step.__self__ is fork.unwrapped
    _count(fork, 1)
    assert (fork.me(), env.me()) == (2, 1)
    assert (_total(fork), _total(env)) == (6, 5)


class _Lazy(gymnasium.Wrapper):
    """Counts steps in an attribute that it has once there is one to count."""

    def reset(self, **options: Any) -> Any:
        vars(self).pop("steps", None)
        return self.env.reset(**options)

    def step(self, action: Any) -> Any:
        self.steps = vars(self).get("steps", 0) + 1
        *transition, info = self.env.step(action)
        return *transition, {**info, "steps": self.steps}


def test_a_restore_removes_what_an_unknown_wrapper_got_since() -> None:
    env = _Lazy(wrappers.OrderEnforcing(toy_env()))
    _begun(env)
    state = appo_envs.snapshot(env)
    before = set(vars(env))
    _count(env)
    appo_envs.restore(env, state)
    assert set(vars(env)) == before and env.env.unwrapped is env.unwrapped
    assert env.step("<count> 1 </count>")[4]["steps"] == 1
    appo_envs.check_fork(env, ["<count> 1 </count>", "<count> 2 </count>", RIGHT.format(3)])


class _NeverCopied:
    def __deepcopy__(self, memo: object) -> "_NeverCopied":
        raise TypeError("it was copied")


def test_the_spec_is_no_state_of_a_wrapper() -> None:
    inner = toy_env()
    env = _Lazy(_Lazy(inner))
    inner.spec = EnvSpec("toy/Toy-v0", toy_env)
    spec = env.spec
    assert spec is not None
    # What `make` was given, such as all tasks, is in its keywords.
    spec.kwargs["tasks"] = _NeverCopied()
    state = appo_envs.snapshot(_begun(env))
    (fork,) = appo_envs.fork(env, 1)
    appo_envs.restore(env, state)
    assert env.spec is spec and fork.spec is spec


def test_a_wrapper_that_holds_what_cannot_be_copied_is_refused_by_name() -> None:
    env = _begun(_Diary(toy_env()))
    env.log = io.BufferedReader(io.FileIO("/dev/null"))  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ForkError, match=r"_Diary.log cannot be copied.*snapshot_wrapper, restore_wrapper and rewrap"):
        appo_envs.fork(env, 1)
    env.log.close()  # pyright: ignore[reportAttributeAccessIssue]


class _Hooked(_Diary):
    """The same, taking care of itself."""

    def snapshot_wrapper(self) -> tuple[str, ...]:
        return tuple(self.pages)

    def restore_wrapper(self, state: tuple[str, ...], /) -> None:
        self.pages[:] = state

    def rewrap(self, env: gymnasium.Env, /) -> "_Hooked":
        return _Hooked(env)


def test_a_wrapper_may_bring_hooks() -> None:
    env = _begun(_Hooked(toy_env()))
    _count(env, 5)
    (fork,) = appo_envs.fork(env, 1)
    assert isinstance(fork, _Hooked)
    _count(fork)
    assert (fork.pages, env.get_wrapper_attr("pages")) == (
        ["<count> 5 </count>", "<count> 1 </count>"],
        ["<count> 5 </count>"],
    )


def test_wrappers_with_functions_and_running_statistics_are_forked() -> None:
    env = wrappers.NormalizeReward(wrappers.TransformReward(toy_env(), lambda reward: 2 * float(reward)))
    _begun(env)
    _count(env)
    (fork,) = appo_envs.fork(env, 1)
    before = env.return_rms.count
    _count(fork)
    assert env.return_rms.count == before < fork.get_wrapper_attr("return_rms").count
    assert np.isfinite(float(fork.step(RIGHT.format(3))[1]))


def test_wrappers_that_own_files_are_refused(tmp_path: Any) -> None:
    refused = wrappers.RecordVideo.__new__(wrappers.RecordVideo)
    gymnasium.Wrapper.__init__(refused, _begun(toy_env()))
    refused.recorded_frames = []
    for operation in (lambda: appo_envs.fork(refused, 1), lambda: appo_envs.snapshot(refused)):
        with pytest.raises(ForkError, match="RecordVideo owns a file or a window"):
            operation()


def test_environments_that_cannot_fork_are_refused() -> None:
    with pytest.raises(ForkError, match="needs the methods snapshot, restore and sibling"):
        appo_envs.fork(gymnasium.make("CartPole-v1"), 1)


def test_snapshots_of_other_chains_are_refused() -> None:
    state = appo_envs.snapshot(_begun(wrappers.TimeLimit(toy_env(), 3)))
    with pytest.raises(ForkError, match=r"wrappers \['TimeLimit'\], the environment has \[\]"):
        appo_envs.restore(toy_env(), state)
    with pytest.raises(TypeError, match="appo_envs.snapshot"):
        appo_envs.restore(toy_env(), "state")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("n", [0, -1])
def test_no_forks_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        appo_envs.fork(_begun(toy_env()), n)


def test_a_fork_that_fails_closes_those_already_made(monkeypatch: pytest.MonkeyPatch) -> None:
    env = _begun(toy_env())
    made: list[ToolEnv] = []

    def sibling(self: ToolEnv) -> ToolEnv:
        if len(made) == 2:
            raise ForkError("no more")
        made.append(toy_env())
        return made[-1]

    monkeypatch.setattr(ToolEnv, "sibling", sibling)
    with pytest.raises(ForkError, match="no more"):
        appo_envs.fork(env, 3)
    assert [fork._closed for fork in made] == [True, True]
