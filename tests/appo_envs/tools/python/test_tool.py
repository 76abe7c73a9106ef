import gc

import numpy as np
import pytest

from appo_envs.env import ToolEnv
from appo_envs.errors import ToolError
from appo_envs.grading import number_equal
from appo_envs.tasks import ArithmeticStories
from appo_envs.tasks.task import Task
from appo_envs.tools.python import PythonSession, PythonSettings, PythonTool, RunResult
from appo_envs.tools.python.supervisor import _supervisors, supervisor_for
from appo_envs.tools.python.tool import result_text

from .surroundings import SMALL, eventually, session_processes

TASK = Task(id="t", prompt="p", answer="a", metadata={})


def make() -> PythonTool:
    tool = PythonTool(SMALL)
    tool.reset(TASK)
    return tool


def test_no_process_before_the_first_call():
    settings = PythonSettings(preload=("queue",))
    tool = PythonTool(settings)
    tool.reset(TASK)
    assert tool.snapshot() is None
    assert settings not in _supervisors
    tool.close()


def test_result_is_output_then_value():
    tool = make()
    assert tool.call({"code": "print('out')\n1 + 1"}) == "out\n2"
    assert tool.call({"code": "x = 5"}) == "(no output)"
    tool.close()


def test_failing_code_is_a_tool_error_with_output_and_traceback():
    tool = make()
    with pytest.raises(ToolError) as caught:
        tool.call({"code": "print('before')\n1 / 0"})
    text = str(caught.value)
    assert text.startswith("before\nTraceback") and text.endswith("ZeroDivisionError: division by zero")
    tool.close()


def test_crash_costs_one_call_and_not_the_state():
    tool = make()
    tool.call({"code": "x = 7"})
    with pytest.raises(ToolError, match="as they were before this call"):
        tool.call({"code": "x = 8\nimport os; os._exit(1)"})
    assert tool.call({"code": "x"}) == "7"
    tool.close()


def test_snapshot_is_the_same_object_until_the_next_call():
    tool = make()
    tool.call({"code": "x = 1"})
    snapshot = tool.snapshot()
    assert snapshot is not None and tool.snapshot() is snapshot
    tool.call({"code": "x = 2"})
    assert tool.snapshot() is not snapshot
    tool.restore(snapshot)
    assert tool.snapshot() is snapshot
    assert tool.call({"code": "x"}) == "1"
    tool.close()


def test_another_tool_restores_a_snapshot_of_a_closed_one():
    tool, other = make(), make()
    tool.call({"code": "x = 1"})
    snapshot = tool.snapshot()
    tool.close()
    other.restore(snapshot)
    assert other.call({"code": "x + 1"}) == "2"
    other.restore(None)
    with pytest.raises(ToolError, match="NameError"):
        other.call({"code": "x"})
    other.close()


def test_reset_forgets_everything():
    tool = make()
    tool.call({"code": "x = 1"})
    tool.reset(TASK)
    assert tool.snapshot() is None
    with pytest.raises(ToolError, match="NameError"):
        tool.call({"code": "x"})
    tool.close()
    tool.close()


def test_foreign_state_is_refused_and_the_session_goes_on():
    tool = make()
    tool.call({"code": "x = 1"})
    with pytest.raises(TypeError, match="PythonSnapshot"):
        tool.restore("something else")
    with PythonSession(PythonSettings(preload=())) as other, pytest.raises(ValueError, match="other settings"):
        other.run("1")
        tool.restore(other.snapshot())
    assert tool.call({"code": "x"}) == "1"
    tool.close()


def test_one_process_a_snapshot_and_none_when_all_is_dropped():
    assert eventually(lambda: not session_processes(SMALL))
    tool = make()
    snapshots = []
    for turn in range(4):
        tool.call({"code": f"x{turn} = 1"})
        snapshots.append(tool.snapshot())
    assert eventually(lambda: len(session_processes(SMALL)) == 4)
    tool.close()
    del snapshots
    gc.collect()
    assert eventually(lambda: not session_processes(SMALL)) and not supervisor_for(SMALL).live


def test_environment_makes_no_process_before_a_call_and_its_snapshots_share_one_after_it():
    settings = PythonSettings(preload=("sched", "random"))
    source = ArithmeticStories()
    env = ToolEnv(source, [lambda: PythonTool(settings)], "tags", number_equal)
    task = source.task("train/0")
    expert = source.expert(task, np.random.default_rng(0))
    observation, _ = env.reset(options={"task": task.id})
    first, sibling = env.snapshot(), env.sibling()
    sibling.restore(first)
    assert first.tools == {"python": None} and settings not in _supervisors
    _, _, over, _, info = env.step(expert.act(observation))
    assert info["tool_calls"] and not over
    second, third = env.snapshot(), env.snapshot()
    sibling.restore(second)
    assert eventually(lambda: len(session_processes(settings)) == 1)
    env.close()
    sibling.close()
    assert len(session_processes(settings)) == 1, "the snapshots hold it"
    del second, third
    gc.collect()
    assert eventually(lambda: not session_processes(settings))
    supervisor_for(settings).close()


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (RunResult("", None, None, 0.0, True), "(no output)"),
        (RunResult("a\n", "1", None, 0.0, True), "a\n1"),
        (RunResult("", "1", "E: x", 0.0, True), "1\nE: x"),
        (RunResult("a" * 30, None, "E", 0.0, True), "a" * 19 + "\n... [cut: 11 more characters]\nE"),
    ],
)
def test_text_of_a_result(result, text):
    assert result_text(result, 20) == text
