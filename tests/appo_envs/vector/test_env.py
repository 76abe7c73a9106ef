"""Many environments at once do what gymnasium's own vector does, and go on when a member fails."""

import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import OrderEnforcing, RecordEpisodeStatistics, TimeLimit
from hypothesis import given, settings
from hypothesis import strategies as st

from appo_envs import check_fork
from appo_envs.actions import Action
from appo_envs.env import ToolEnv
from appo_envs.vector import INFRASTRUCTURE_ERROR, MemberStep, ToolVectorEnv
from tests.appo_envs.toy import RIGHT, toy_env
from tests.appo_envs.vector.slow_toy import Gate, slow, slow_env

COUNT = "<count> 1 </count>"
MODES = tuple(AutoresetMode)


def _same(ours: Any, theirs: Any) -> bool:
    """Equality in value and in type, of what vector environments return."""
    if isinstance(theirs, np.ndarray):
        return (
            isinstance(ours, np.ndarray)
            and (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            and all(map(_same, ours.tolist(), theirs.tolist()))
        )
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


def _pair(mode: AutoresetMode, count: int = 3, **limits: int) -> tuple[ToolVectorEnv, SyncVectorEnv]:
    ours = ToolVectorEnv(toy_env(**limits), count, autoreset_mode=mode)
    return ours, SyncVectorEnv([lambda: toy_env(**limits)] * count, autoreset_mode=mode)


_ACTIONS = st.sampled_from([COUNT, "<hostile> raise </hostile>", RIGHT.format(3), "nonsense", "<count> x </count>"])


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_steps_are_those_of_the_synchronous_vector(data: st.DataObject) -> None:
    mode = data.draw(st.sampled_from(MODES))
    ours, theirs = _pair(mode, max_turns=4)
    seed = data.draw(st.integers(0, 2**31))
    assert _same(ours.reset(seed=seed), theirs.reset(seed=seed))
    over = np.zeros(3, dtype=np.bool_)
    for _ in range(6):
        if mode is AutoresetMode.DISABLED and over.any():
            resets: list[dict[str, Any]] = [{"reset_mask": over.copy()} for _ in range(2)]
            assert _same(ours.reset(options=resets[0]), theirs.reset(options=resets[1]))
        actions = data.draw(st.lists(_ACTIONS, min_size=3, max_size=3))
        mine, others = ours.step(actions), theirs.step(tuple(actions))
        assert _same(mine, others)
        over = mine[2] | mine[3]
    ours.close()
    theirs.close()


def test_spaces_and_metadata_are_those_of_the_synchronous_vector() -> None:
    for mode in MODES:
        ours, theirs = _pair(mode)
        assert ours.metadata == theirs.metadata and ours.num_envs == theirs.num_envs
        assert (ours.action_space, ours.observation_space) == (theirs.action_space, theirs.observation_space)
        assert (ours.single_action_space, ours.single_observation_space) == (
            theirs.single_action_space,
            theirs.single_observation_space,
        )
        assert ours.action_space.sample() in ours.action_space
        ours.close()


def test_seeds_may_be_given_for_each_member() -> None:
    vector = ToolVectorEnv(toy_env(), 3)
    assert _same(vector.reset(seed=5), vector.reset(seed=[5, 6, 7]))
    with pytest.raises(ValueError, match="expected 3 seeds, one for each member, got 2"):
        vector.reset(seed=[1, 2])
    vector.close()


def test_options_go_to_the_members_and_stay_as_they_were() -> None:
    vector = ToolVectorEnv(toy_env(), 2)
    mask = np.array([True, False])
    options: dict[str, Any] = {"task": "t/3", "reset_mask": mask}
    observations, infos = vector.reset(options=options)
    assert observations == ("question 3 ?", "") and infos["_task"].tolist() == [True, False]
    assert options == {"task": "t/3", "reset_mask": mask}
    vector.close()


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ([True, True], TypeError, "must be a numpy array of booleans, got list"),
        (np.array([1, 0]), TypeError, "got an array of int64"),
        (np.array([True]), ValueError, r"must have shape \(2,\)"),
        (np.array([False, False]), ValueError, "with 0 True values"),
    ],
)
def test_masks_that_say_nothing_are_refused(mask: object, error: type[Exception], message: str) -> None:
    vector = ToolVectorEnv(toy_env(), 2)
    with pytest.raises(error, match=message):
        vector.reset(options={"reset_mask": mask})
    vector.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ToolVectorEnv(toy_env(), 0),
        lambda: ToolVectorEnv(toy_env(), 1, max_workers=0),
        lambda: ToolVectorEnv(toy_env(), 1, step_timeout=0),
        lambda: ToolVectorEnv(toy_env(), 1, step_timeout=float("nan")),
        lambda: ToolVectorEnv(toy_env(), 1, autoreset_mode="sometimes"),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], VectorEnv]) -> None:
    with pytest.raises(ValueError):
        make()


def test_actions_are_checked_before_any_is_taken() -> None:
    vector = ToolVectorEnv(toy_env(), 2)
    with pytest.raises(ResetNeeded, match="member 0 cannot take a step: it was never reset"):
        vector.step([COUNT, COUNT])
    vector.reset(seed=0)
    for actions in (COUNT, [COUNT], [COUNT] * 3):
        with pytest.raises(ValueError, match="expected a sequence of 2 actions"):
            vector.step(actions)
    assert vector.step([COUNT, COUNT])[0] == ("<result> 1 </result>",) * 2
    vector.close()


def test_actions_need_not_be_text() -> None:
    vector = ToolVectorEnv(toy_env(), 2)
    vector.reset(seed=0)
    assert vector.step([Action.call("count", number="4"), COUNT])[0] == ("<result> 4 </result>", "<result> 1 </result>")
    with pytest.raises(TypeError, match="got int: 7") as caught:
        vector.step([COUNT, 7])  # pyright: ignore[reportArgumentType]
    assert caught.value.__notes__ == ["in member 1 of a vector environment"]
    vector.close()


def test_without_autoreset_an_episode_that_is_over_must_be_reset() -> None:
    vector = ToolVectorEnv(toy_env(), 2, autoreset_mode=AutoresetMode.DISABLED)
    vector.reset(seed=0)
    vector.step(["nonsense", COUNT])
    with pytest.raises(ResetNeeded, match="member 0 cannot take a step: its episode is over"):
        vector.step([COUNT, COUNT])
    vector.reset(options={"reset_mask": np.array([True, False])})
    assert vector.step([COUNT, COUNT])[0] == ("<result> 1 </result>", "<result> 2 </result>")
    vector.close()


def test_calls_of_all_members_run_side_by_side() -> None:
    vector = ToolVectorEnv(slow_env(Gate(meeting=20)), 20)
    vector.reset(seed=0)
    assert vector.step([slow("meet")] * 20)[0] == ("<result> meet 1 </result>",) * 20
    vector.close()


def test_no_more_calls_than_workers_run_at_once() -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate), 6, max_workers=2)
    vector.reset(seed=0)
    assert vector.step([slow("sleep 0.03")] * 6)[0] == ("<result> sleep 0.03 1 </result>",) * 6
    assert gate.peak == 2
    vector.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_broken_environment_ends_one_episode_and_is_told_apart(mode: AutoresetMode) -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate), 3, autoreset_mode=mode)
    vector.reset(seed=0)
    before = vector.envs
    observations, rewards, terminations, truncations, infos = vector.step(
        [slow("on"), slow("break"), "<answer> \\boxed{ wrong } </answer>"]
    )
    lost = infos["final_info"] if mode is AutoresetMode.SAME_STEP else infos
    assert lost[INFRASTRUCTURE_ERROR][1] == "SandboxError: the sandbox died"
    assert lost[f"_{INFRASTRUCTURE_ERROR}"].tolist() == [False, True, False]
    assert lost["_score"].tolist() == [False, False, True]
    assert (rewards[1], terminations.tolist(), truncations.tolist()) == (0, [False, False, True], [False, True, False])
    assert observations[0] == "<result> on 1 </result>"
    assert observations[1].startswith("question" if mode is AutoresetMode.SAME_STEP else "")
    if mode is AutoresetMode.DISABLED:
        vector.reset(options={"reset_mask": np.array([False, True, True])})
        after = vector.step([slow("on")] * 3)
    else:
        after = vector.step([slow("on")] * 3)
    assert after[0][0] == "<result> on 2 </result>" and not after[3].any()
    assert vector.envs[0] is before[0] and vector.envs[1] is not before[1] and vector.envs[2] is before[2]
    vector.close()
    # Two tools a member, and the prototype's; the lost one's is closed by a thread of its own.
    _until(lambda: len(gate.closed) == 5)
    assert len(set(gate.closed)) == 5


def test_a_member_that_takes_too_long_is_given_up_and_the_rest_go_on() -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate), 3, step_timeout=1.0)
    vector.reset(seed=0)
    observations, _, _, truncations, infos = vector.step([slow("on"), slow("block"), slow("on")])
    assert observations == ("<result> on 1 </result>", "", "<result> on 1 </result>")
    assert truncations.tolist() == [False, True, False]
    assert infos[INFRASTRUCTURE_ERROR].tolist() == [None, "OutOfTime: no result after 1 s", None]
    assert vector.step([slow("on")] * 3)[0][1].startswith("question")
    assert vector.step([slow("on")] * 3)[0][1] == "<result> on 1 </result>"
    assert gate.closed == []
    gate.open.set()
    _until(lambda: len(gate.closed) == 1)
    vector.close()


def test_dead_members_do_not_use_up_the_workers() -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate), 4, max_workers=1, step_timeout=0.5)
    vector.reset(seed=0)
    *_, truncations, _ = vector.step([slow("block"), slow("on"), slow("block"), slow("on")])
    assert truncations.tolist() == [True, False, True, False]
    gate.open.set()
    vector.close()


@pytest.mark.parametrize("mode", MODES)
def test_an_episode_that_cannot_begin_is_truncated_by_its_first_step(mode: AutoresetMode) -> None:
    gate = Gate()
    gate.broken_resets = 1
    vector = ToolVectorEnv(slow_env(gate), 1, autoreset_mode=mode)
    observations, infos = vector.reset(seed=0)
    assert observations == ("",) and infos[INFRASTRUCTURE_ERROR].tolist() == ["SandboxError: cannot start"]
    *_, rewards, terminations, truncations, infos = vector.step([slow("on")])
    assert (rewards[0], terminations[0], truncations[0]) == (0, False, True)
    lost = infos["final_info"] if mode is AutoresetMode.SAME_STEP else infos
    assert lost[INFRASTRUCTURE_ERROR].tolist() == ["SandboxError: cannot start"]
    if mode is AutoresetMode.DISABLED:
        vector.reset()
    if mode is AutoresetMode.NEXT_STEP:
        vector.step([""])
    assert vector.step([slow("on")])[0] == ("<result> on 1 </result>",)
    vector.close()


def test_a_reset_within_a_step_may_fail_after_the_episode_was_graded() -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate), 1, autoreset_mode=AutoresetMode.SAME_STEP)
    vector.reset(seed=0, options={"task": "t/3"})
    gate.broken_resets = 1
    observations, rewards, terminations, _, infos = vector.step([RIGHT.format(3)])
    assert (observations, rewards[0], terminations[0]) == (("",), 1.0, True)
    assert infos["final_info"]["is_success"][0] and infos[INFRASTRUCTURE_ERROR][0] == "SandboxError: cannot start"
    vector.close()


def test_a_bug_is_raised_after_all_others_came_to_an_end() -> None:
    vector = ToolVectorEnv(slow_env(), 3)
    vector.reset(seed=0)
    with pytest.raises(ZeroDivisionError, match="a bug of the grader") as caught:
        vector.step([slow("on"), "<answer> \\boxed{ bug } </answer>", slow("sleep 0.05")])
    assert caught.value.__notes__ == ["in member 1 of a vector environment"]
    assert vector.step([slow("on")] * 3)[0] == (
        "<result> on 2 </result>",
        "<result> on 1 </result>",
        "<result> on 2 </result>",
    )
    with pytest.raises(ValueError, match="unknown reset option"):
        vector.reset(options={"tusk": "t/3"})
    vector.reset()
    vector.close()


def test_a_bug_of_one_member_costs_those_who_receive_nothing() -> None:
    vector = ToolVectorEnv(slow_env(), 3)
    vector.reset(seed=0)
    vector.send([slow("on"), "<answer> \\boxed{ bug } </answer>", slow("on")], range(3))
    received: list[MemberStep] = []
    with pytest.raises(ZeroDivisionError, match="a bug of the grader"):
        while True:
            received += vector.recv()
    received += vector.recv(2 - len(received)) if len(received) < 2 else []
    assert sorted(step.member for step in received) == [0, 2]
    assert vector.step([slow("on")] * 3)[0][1] == "<result> on 1 </result>"
    vector.close()


def test_a_slow_member_holds_up_nobody_who_receives() -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate, max_turns=20, max_tool_calls=20), 3)
    vector.reset(seed=0)
    vector.send([slow("block"), slow("on"), slow("on")], range(3))
    seen: list[str] = []
    while len(seen) < 10:
        steps = vector.recv()
        seen += [step.observation for step in steps]
        vector.send([slow("on")] * len(steps), [step.member for step in steps])
    gate.open.set()
    rest = vector.recv(min_count=3)
    assert {step.member for step in rest} == {0, 1, 2}
    assert next(step for step in rest if step.member == 0).observation == "<result> block 1 </result>"
    vector.close()


def test_members_are_received_in_the_order_in_which_they_are_done() -> None:
    vector = ToolVectorEnv(slow_env(), 2)
    vector.reset(seed=0)
    vector.send([slow("sleep 0.3"), slow("on")], [0, 1])
    assert [step.member for step in vector.recv(2)] == [1, 0]
    vector.close()


def test_each_member_may_be_reset_to_a_task_of_its_own() -> None:
    vector = ToolVectorEnv(toy_env(), 3)
    vector.send_reset([2, 0], options=[{"task": "t/5"}, {"task": "t/6"}])
    steps = sorted(vector.recv(2))
    assert steps == [
        MemberStep(0, "question 6 ?", 0.0, False, False, {"task": "t/6", "tool_calls": (), "format_ok": True}),
        MemberStep(2, "question 5 ?", 0.0, False, False, {"task": "t/5", "tool_calls": (), "format_ok": True}),
    ]
    with pytest.raises(ValueError, match="expected 2 seeds and options, got 1 and 2"):
        vector.send_reset([0, 2], seeds=[1])
    vector.close()


def test_out_of_step_autoresets_are_the_same() -> None:
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        one, other = (ToolVectorEnv(toy_env(), 1, autoreset_mode=mode) for _ in range(2))
        one.reset(seed=3)
        other.reset(seed=3)
        for action in (COUNT, "nonsense", COUNT, COUNT):
            observations, rewards, terminations, truncations, infos = one.step([action])
            other.send([action], [0])
            (step,) = other.recv()
            assert (step.observation, step.reward) == (observations[0], rewards[0])
            assert (step.terminated, step.truncated) == (terminations[0], truncations[0])
            assert step.info.keys() == {key for key in infos if not key.startswith("_")}
        one.close()
        other.close()


def test_what_is_out_of_order_is_refused() -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate), 2)
    with pytest.raises(NoAsyncCallError, match="call send first"):
        vector.recv()
    vector.reset(seed=0)
    vector.send([slow("block")], [1])
    refused: list[Callable[[], object]] = [
        lambda: vector.send([COUNT], [1]),
        lambda: vector.send_reset([1]),
        lambda: vector.step([COUNT] * 2),
        lambda: vector.reset(),
        lambda: vector.snapshot(1),
        lambda: vector.fork(0, into=[1]),
    ]
    for operation in refused:
        with pytest.raises(AlreadyPendingCallError, match="recv first"):
            operation()
    for members in ([0, 0], [2], [-1]):
        with pytest.raises(ValueError, match=r"different integers in \[0, 2\)"):
            vector.send([COUNT] * len(members), members)
    with pytest.raises(ValueError, match=r"min_count must be in \[0, 1\]"):
        vector.recv(2)
    assert vector.recv(0) == []
    gate.open.set()
    vector.recv()
    vector.close()
    for operation in (vector.reset, lambda: vector.step([COUNT] * 2), vector.recv, lambda: vector.envs):
        with pytest.raises(ClosedEnvironmentError):
            operation()
    vector.close()


def test_a_member_that_is_at_work_when_the_vector_closes_closes_itself() -> None:
    gate = Gate()
    vector = ToolVectorEnv(slow_env(gate), 2)
    vector.reset(seed=0)
    vector.send([slow("block")], [1])
    assert gate.blocked.wait(20)
    vector.close()
    # The prototype's tool and the idle member's.
    assert len(gate.closed) == 2
    gate.open.set()
    _until(lambda: len(gate.closed) == 3)


def test_a_member_is_forked_into_others() -> None:
    vector = ToolVectorEnv(toy_env(), 4)
    vector.reset(seed=0)
    vector.step(["<count> 5 </count>", COUNT, COUNT, COUNT])
    vector.fork(0, into=[2, 3])
    assert vector.step([COUNT] * 4)[0] == tuple(f"<result> {total} </result>" for total in (6, 2, 6, 6))
    with pytest.raises(ResetNeeded, match="member 0 has no episode"):
        ToolVectorEnv(toy_env(), 2).fork(0, into=[1])
    vector.close()


def test_a_snapshot_brings_a_member_back_and_outlives_its_vector() -> None:
    vector = ToolVectorEnv(TimeLimit(toy_env(), 3), 2)
    vector.reset(seed=0)
    vector.step([COUNT, COUNT])
    state = vector.snapshot(0)
    for _ in range(2):
        *_, truncations, _ = [vector.step([COUNT, COUNT]) for _ in range(2)][-1]
        assert truncations[0]
        vector.restore(0, state)
        vector.restore(1, state)
    vector.close()
    other = ToolVectorEnv(TimeLimit(toy_env(), 3), 3)
    other.restore(1, state)
    other.send([COUNT], [1])
    assert other.recv()[0].observation == "<result> 2 </result>"
    with pytest.raises(TypeError, match="expected a MemberState"):
        other.restore(1, state.env)  # pyright: ignore[reportArgumentType]
    other.close()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_a_snapshot_remembers_that_the_episode_is_over(mode: AutoresetMode) -> None:
    vector = ToolVectorEnv(toy_env(), 2, autoreset_mode=mode)
    vector.reset(seed=0)
    vector.step(["nonsense", COUNT])
    vector.fork(0, into=[1])
    if mode is AutoresetMode.DISABLED:
        with pytest.raises(ResetNeeded, match="member 0"):
            vector.step([COUNT, COUNT])
    else:
        observations = vector.step([COUNT, COUNT])[0]
        assert observations[0].startswith("question") and observations[0] == observations[1]
    vector.close()


def test_a_lost_member_can_be_restored() -> None:
    vector = ToolVectorEnv(slow_env(), 1)
    vector.reset(seed=0)
    vector.step([slow("on")])
    state = vector.snapshot(0)
    vector.step([slow("break")])
    with pytest.raises(ResetNeeded, match="has no episode to snapshot"):
        vector.snapshot(0)
    vector.restore(0, state)
    assert vector.step([slow("on")])[0] == ("<result> on 2 </result>",)
    vector.close()


@pytest.mark.parametrize(
    "wrap", [lambda env: env, lambda env: RecordEpisodeStatistics(TimeLimit(OrderEnforcing(env), 9))]
)
def test_every_member_forks_as_it_should(wrap: Callable[[ToolEnv], gymnasium.Env]) -> None:
    vector = ToolVectorEnv(wrap(toy_env()), 2)
    for env in vector.envs:
        check_fork(env)
    vector.close()


def test_members_share_no_statistics() -> None:
    vector = ToolVectorEnv(RecordEpisodeStatistics(toy_env()), 2)
    vector.reset(seed=0)
    vector.step(["nonsense", COUNT])
    assert [env.get_wrapper_attr("episode_count") for env in vector.envs] == [1, 0]
    assert [len(env.get_wrapper_attr("return_queue")) for env in vector.envs] == [1, 0]
    vector.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
