"""Snapshots in files are what they were, or an error says why not."""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from gymnasium import wrappers as w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import appo_envs
from appo_envs.dialects.tags import TagDialect
from appo_envs.env import ToolEnv
from appo_envs.errors import ForkError
from appo_envs.grading import f1
from appo_envs.saving import load_snapshot, save_snapshot
from appo_envs.state import EnvState
from appo_envs.tasks import Task
from appo_envs.tasks.listed import ListedTasks
from tests.appo_envs.toy import RIGHT, SOURCE, CountTool, HostileTool, toy_env

HELLO = "<hostile> hello </hostile>"


class SavableCount(CountTool):
    """The counting tool, which can write down its count."""

    def dump(self, state: int, /) -> bytes:
        return str(state).encode()

    def load(self, data: bytes, /) -> object:
        return int(data)


class StatelessTool(HostileTool):
    """Never has anything to save."""

    def snapshot(self) -> object | None:
        return None


def _env(tool: type[CountTool] = SavableCount, **limits: int) -> ToolEnv:
    return ToolEnv(
        SOURCE,
        [tool, StatelessTool],
        TagDialect(("count", "hostile")),
        f1,
        **limits,  # pyright: ignore[reportArgumentType]
    )


def _chain(env: ToolEnv) -> gymnasium.Env:
    checked = w.OrderEnforcing(w.PassiveEnvChecker(env))
    return w.Autoreset(w.RecordEpisodeStatistics(w.TimeLimit(w.StickyAction(checked, 0.3), 6)))


def _played(env: gymnasium.Env, *actions: str) -> gymnasium.Env:
    env.reset(seed=3, options={"task": "t/3"})
    for action in actions:
        env.step(action)
    return env


def _rest(env: gymnasium.Env, *actions: str) -> list[Any]:
    transitions = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        info.get("episode", {}).pop("t", None)
        transitions.append((observation, reward, terminated, truncated, info))
    return transitions


@pytest.mark.parametrize("wrap", [lambda env: env, _chain])
@pytest.mark.parametrize("actions", [(), (HELLO,), ("<count> 4 </count>", HELLO), ("nonsense",), (RIGHT.format(3),)])
def test_an_episode_goes_on_from_a_file_as_it_would_have(
    wrap: Callable[[ToolEnv], gymnasium.Env], actions: tuple[str, ...], tmp_path: Path
) -> None:
    env = _played(wrap(_env()), *actions)
    state = appo_envs.snapshot(env)
    env.close()
    save_snapshot(state, tmp_path / "state", _env())
    other = wrap(_env())
    loaded = load_snapshot(tmp_path / "state", other)
    assert loaded == state
    appo_envs.restore(other, loaded)
    same = wrap(_env())
    appo_envs.restore(same, state)
    if actions[-1:] not in (("nonsense",), (RIGHT.format(3),)):
        rest = ("<count> 1 </count>", "<count> 2 </count>", RIGHT.format(3))
        assert _rest(other, *rest) == _rest(same, *rest)
    assert other.reset()[1]["task"] == same.reset()[1]["task"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(), max_size=30), max_size=3), st.integers(0, 2**63))
def test_whatever_a_model_writes_is_saved_exactly(tmp_path: Path, texts: list[str], seed: int) -> None:
    env = _env()
    env.reset(seed=seed)
    for text in texts:
        env.step(f"<hostile> {text} </hostile>")
        if env.snapshot().episode.over:
            break
    state = appo_envs.snapshot(env)
    save_snapshot(state, tmp_path / "state")
    assert load_snapshot(tmp_path / "state", env) == state


def test_tools_that_were_not_used_need_no_environment(tmp_path: Path) -> None:
    env = _played(toy_env())
    save_snapshot(appo_envs.snapshot(env), tmp_path / "state")
    appo_envs.restore(env, load_snapshot(tmp_path / "state", env))
    assert env.step("<count> 1 </count>")[0] == "<result> 1 </result>"


def test_another_question_is_saved_and_loaded(tmp_path: Path) -> None:
    env = toy_env()
    env.reset(seed=3, options={"task": "t/3", "prompt": "how are you ?"})
    state = appo_envs.snapshot(env)
    save_snapshot(state, tmp_path / "state")
    assert load_snapshot(tmp_path / "state", toy_env()) == state


def test_a_tool_that_cannot_save_is_named(tmp_path: Path) -> None:
    env = _played(toy_env(), "<count> 1 </count>")
    state = appo_envs.snapshot(env)
    with pytest.raises(ForkError, match="tool 'count' was used, and its state cannot be written to a file"):
        save_snapshot(state, tmp_path / "state", env)
    with pytest.raises(ForkError, match="tool 'count' was used before the snapshot; pass an environment"):
        save_snapshot(state, tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


def test_a_python_session_cannot_be_saved_and_says_so(tmp_path: Path) -> None:
    env = gymnasium.make("appo/MathPython-v0")
    env.reset(seed=0)
    save_snapshot(appo_envs.snapshot(env), tmp_path / "state", env)
    assert appo_envs.snapshot(env) == load_snapshot(tmp_path / "state", env)
    env.step("<python> 1 + 1 </python>")
    with pytest.raises(ForkError, match="tool 'python' was used"):
        save_snapshot(appo_envs.snapshot(env), tmp_path / "state", env)
    env.close()


@pytest.mark.parametrize("env_id", ["appo/KnowledgeQA-v0", "appo/DeepSearch-v0"])
def test_environments_of_tools_without_state_can_be_saved_at_any_turn(env_id: str, tmp_path: Path) -> None:
    env = gymnasium.make(env_id)
    env.reset(seed=0)
    env.step("<search> anything </search>")
    state = appo_envs.snapshot(env)
    save_snapshot(state, tmp_path / "state")
    assert load_snapshot(tmp_path / "state", gymnasium.make(env_id)) == state


def test_the_gold_answer_is_not_in_the_file(tmp_path: Path) -> None:
    env = ToolEnv(ListedTasks([Task("a", "why?", "forty-two")]), [SavableCount], TagDialect(("count",)), f1)
    env.reset()
    save_snapshot(appo_envs.snapshot(env), tmp_path / "state")
    assert b"forty-two" not in (tmp_path / "state").read_bytes()


class _Diary(gymnasium.Wrapper):
    """An unknown wrapper."""


class _Hooked(gymnasium.Wrapper):
    """A wrapper that takes care of its own state."""

    pages: tuple[str, ...] = ("first",)

    def snapshot_wrapper(self) -> tuple[str, ...]:
        return self.pages

    def restore_wrapper(self, state: tuple[str, ...], /) -> None:
        self.pages = state

    def rewrap(self, env: gymnasium.Env, /) -> "_Hooked":
        return _Hooked(env)


def test_wrappers_of_known_state_or_with_hooks_are_saved_and_others_named(tmp_path: Path) -> None:
    hooked = _Hooked(toy_env())
    _played(hooked)
    hooked.pages = ("second", "third")
    save_snapshot(appo_envs.snapshot(hooked), tmp_path / "state")
    other = _Hooked(toy_env())
    appo_envs.restore(other, load_snapshot(tmp_path / "state", other))
    assert other.pages == ("second", "third")
    with pytest.raises(ForkError, match="the state of _Diary is not known"):
        save_snapshot(appo_envs.snapshot(_played(_Diary(toy_env()))), tmp_path / "state")
    with pytest.raises(ForkError, match="the state of NormalizeReward holds .*RunningMeanStd cannot be written"):
        save_snapshot(appo_envs.snapshot(_played(w.NormalizeReward(toy_env()))), tmp_path / "state")


def test_environments_made_another_way_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_snapshot(appo_envs.snapshot(_played(w.TimeLimit(_env(), 5))), path)
    with pytest.raises(ForkError, match="differ in wrappers: .*TimeLimit.* in the file, .* in the environment"):
        load_snapshot(path, _env())
    two = [CountTool, lambda: StatelessTool()]
    other = ToolEnv(SOURCE, two[:1], TagDialect(("count",)), f1)
    with pytest.raises(ForkError, match=r"differ in tools: \['count', 'hostile'\] in the file, \['count'\]"):
        load_snapshot(path, w.TimeLimit(other, 5))
    env = ToolEnv(ListedTasks([Task("a", "b", "c")]), [CountTool, StatelessTool], TagDialect(("count", "hostile")), f1)
    with pytest.raises(ForkError, match="differ in the task source: 'ToySource' in the file, 'ListedTasks'"):
        load_snapshot(path, w.TimeLimit(env, 5))
    with pytest.raises(ForkError, match="needs the methods snapshot, restore and sibling"):
        load_snapshot(path, gymnasium.make("CartPole-v1"))


def test_a_task_that_changed_or_went_is_found(tmp_path: Path) -> None:
    def env(*tasks: Task) -> ToolEnv:
        return ToolEnv(ListedTasks(tasks), [CountTool], TagDialect(("count",)), f1)

    saved = env(Task("a", "why?", "because"))
    saved.reset()
    save_snapshot(appo_envs.snapshot(saved), tmp_path / "state")
    load_snapshot(tmp_path / "state", env(Task("b", "who?", "me"), Task("a", "why?", "because")))
    for changed in (Task("a", "why not?", "because"), Task("a", "why?", "so")):
        with pytest.raises(ForkError, match="differ in the digest of task 'a'"):
            load_snapshot(tmp_path / "state", env(changed))
    with pytest.raises(ForkError, match="task 'a' is not in the environment's source"):
        load_snapshot(tmp_path / "state", env(Task("b", "why?", "because")))


def test_settings_of_the_source_are_checked(tmp_path: Path) -> None:
    env = gymnasium.make("appo/KnowledgeQA-v0", seed=1)
    env.reset(seed=0)
    save_snapshot(appo_envs.snapshot(env), tmp_path / "state")
    with pytest.raises(ForkError, match="differ in the task source: .*seed=1.* in the file, .*seed=2"):
        load_snapshot(tmp_path / "state", gymnasium.make("appo/KnowledgeQA-v0", seed=2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no snapshot: .* it is empty"),
        (b"\x89PNG\r\n\x1a\n", "is no snapshot: expected a file that begins with 'appo-gym snapshot', it begins with"),
        (b"appo-gym snapshot what", "is damaged: its first line is"),
        (b"appo-gym snapshot 7 sha256 " + b"0" * 64 + b"\n{}", "of version 7, this program reads version 2"),
        (b"appo-gym snapshot 2 sha256 " + b"0" * 64 + b"\n{}", "is damaged: its 2 bytes have the digest"),
    ],
)
def test_files_that_are_no_snapshots_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_snapshot(tmp_path / "state", toy_env())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "state"
    env = _env()
    save_snapshot(appo_envs.snapshot(_played(env, "<count> 4 </count>")), path, env)
    return path.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_found(saved: bytes, tmp_path: Path, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(saved) - 1))
    damaged = data.draw(
        st.sampled_from(
            [saved[:place], saved[:place] + b"?" + saved[place:], saved[:place] + b"?" + saved[place + 1 :]]
        )
    )
    if damaged == saved:
        return
    (tmp_path / "state").write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged|no snapshot|of version"):
        load_snapshot(tmp_path / "state", _env())


def _forged(saved: bytes, path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The same file with something else in it and a digest that fits."""
    body = json.loads(saved.partition(b"\n")[2])
    change(body)
    return _written(json.dumps(body).encode(), path)


def _written(body: bytes, path: Path) -> Path:
    path.write_bytes(b"appo-gym snapshot 2 sha256 " + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("rng"),
        lambda body: body["episode"].pop("calls"),
        lambda body: body["episode"].update(more=1),
        lambda body: body.update(episode=[]),
        lambda body: body["episode"]["history"].update({"$tuple": 3}),
        lambda body: body["episode"].update(messages={"$Popen": {"args": "ls"}}),
        lambda body: body["episode"]["history"]["$tuple"][0]["$Turn"].pop("action"),
        lambda body: body["episode"].update(messages={"$bytes": "?"}),
        lambda body: body["tools"].update(count="?"),
        lambda body: body["tools"].update(count=base64.b64encode(b"many").decode()),
    ],
)
def test_a_well_formed_file_that_says_nonsense_is_refused(
    change: Callable[[dict[str, Any]], object], saved: bytes, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="holds what no snapshot says"):
        load_snapshot(_forged(saved, tmp_path / "state", change), _env())


def test_bottomless_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds what no snapshot says"):
        load_snapshot(_written(b"[" * 100_000, tmp_path / "state"), _env())


def test_a_file_that_claims_state_of_a_tool_without_any_is_refused(saved: bytes, tmp_path: Path) -> None:
    path = _forged(saved, tmp_path / "state", lambda body: body["tools"].update(hostile="AAAA"))
    with pytest.raises(ForkError, match="tool 'hostile' cannot read its state from a file"):
        load_snapshot(path, _env())


def test_a_wrapper_gets_no_other_attributes_than_its_own(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_snapshot(appo_envs.snapshot(_played(w.TimeLimit(toy_env(), 5))), path)
    forged = _forged(path.read_bytes(), path, lambda body: body["wrappers"][0][1].update(step="not a method"))
    with pytest.raises(ValueError, match="the state of TimeLimit has the attributes"):
        load_snapshot(forged, w.TimeLimit(toy_env(), 5))


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    env = _played(toy_env())
    save_snapshot(appo_envs.snapshot(env), path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    env.reset(seed=9)
    with pytest.raises(OSError, match="no space left"):
        save_snapshot(appo_envs.snapshot(env), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_only_snapshots_of_our_environments_are_saved(tmp_path: Path) -> None:
    for state in ("state", None, toy_env()):
        with pytest.raises(TypeError, match="expected what appo_envs.snapshot returned"):
            save_snapshot(state, tmp_path / "state")  # pyright: ignore[reportArgumentType]


def test_every_field_of_an_episode_is_saved(tmp_path: Path) -> None:
    env = _played(_env(), HELLO, RIGHT.format(3))
    state = appo_envs.snapshot(env)
    assert isinstance(state.env, EnvState)
    save_snapshot(state, tmp_path / "state")
    body: Mapping[str, Any] = json.loads((tmp_path / "state").read_bytes().partition(b"\n")[2])
    assert {"task", *body["episode"]} == {*state.env.episode._fields}
