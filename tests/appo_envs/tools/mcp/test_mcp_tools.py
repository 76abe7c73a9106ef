"""Tools of real servers, over standard input and output and over HTTP on this machine."""

import gc
import importlib.util
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import appo_envs
from appo_envs.env import ToolEnv
from appo_envs.envs.declared import declared_env
from appo_envs.errors import EnvError, ForkError, ToolError
from appo_envs.grading import exact_match
from appo_envs.tasks import Task
from appo_envs.tools.mcp import HttpServer, StdioServer, mcp_tools
from appo_envs.tools.mcp.tool import McpTool, McpToolMaker, tool_names

pytest.importorskip("mcp")

SCRIPT = str(Path(__file__).with_name("server.py"))
SERVER = StdioServer((sys.executable, SCRIPT), env={"GIVEN": "given"})
TASK = Task("t/1", "question ?", "answer")


@pytest.fixture(scope="module")
def shared() -> tuple[McpToolMaker, ...]:
    return mcp_tools(SERVER, stateless=True)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, SCRIPT, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_for(lambda: _listens(port))
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come true in 20 seconds")


def _gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def _made(makers: tuple[McpToolMaker, ...], name: str) -> McpTool:
    made = next(maker for maker in makers if maker.name == name)()
    made.reset(TASK)
    return made


def _env(*, stateless: bool = False) -> ToolEnv:
    env = declared_env(tasks=[TASK], tools=lambda: mcp_tools(SERVER, stateless=stateless), grade=exact_match)
    env.reset(seed=0)
    return env


def _process(env: ToolEnv) -> int:
    return int(env.step("<process> </process>")[0].split()[1])


def test_a_server_says_what_its_tools_are(shared: tuple[McpToolMaker, ...]) -> None:
    assert [maker.name for maker in shared] == ["add", "note_take", "environment", "process", "picture", "misbehave"]
    function = shared[0]().schema["function"]
    assert function["description"] == "Adds two numbers."
    assert function["parameters"]["required"] == ["a", "b"]


def test_results_are_text(shared: tuple[McpToolMaker, ...]) -> None:
    assert _made(shared, "add").call({"a": 1, "b": 2}) == "3"
    assert _made(shared, "picture").call({}) == "look\n[image]"


def test_an_environment_checks_arguments_before_the_server_sees_them() -> None:
    env = _env(stateless=True)
    assert env.step('<add> {"a": "1", "b": 2} </add>')[0] == "<result> 3 </result>"
    assert env.step('<add> {"a": "one", "b": 2} </add>')[0] == (
        "<result> error : argument 'a' must be an integer, got 'one' </result>"
    )
    assert env.step("<misbehave> dance </misbehave>")[0].startswith(
        "<result> error : argument 'how' must be 'raise', 'sleep', 'die' or 'noise', got 'dance'"
    )


def test_a_server_inherits_no_keys(shared: tuple[McpToolMaker, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    own = mcp_tools(SERVER)
    tool = _made(own, "environment")
    assert [tool.call({"name": name}) for name in ("API_KEY", "GIVEN", "PATH")] == [
        "unset",
        "given",
        os.environ["PATH"],
    ]
    tool.close()


def test_a_tool_that_fails_is_text_for_the_model(shared: tuple[McpToolMaker, ...]) -> None:
    misbehave = _made(shared, "misbehave")
    with pytest.raises(ToolError, match="^error : "):
        misbehave.call({"how": "raise"})
    with pytest.raises(ToolError, match="^error : "):
        misbehave.call({"how": "an unchecked word"})
    for _ in range(3):
        assert misbehave.call({"how": "noise"}) == "quiet again"


def _hasty(makers: tuple[McpToolMaker, ...]) -> McpTool:
    """A tool whose server has started, and has little time from now on."""
    tool = _made(makers, "misbehave")
    tool.call({"how": "noise"})
    makers[0].connection.timeout = 0.3
    return tool


def test_a_call_that_takes_too_long_is_given_up() -> None:
    tool = _hasty(mcp_tools(SERVER))
    with pytest.raises(ToolError, match=r"^error : out of time : no result after 0\.3 s$"):
        tool.call({"how": "sleep"})
    tool.close()


def test_a_stateless_server_that_dies_is_started_again(shared: tuple[McpToolMaker, ...]) -> None:
    before = _made(shared, "process").call({})
    with pytest.raises(ToolError, match="^error : the tool is not there : "):
        _made(shared, "misbehave").call({"how": "die"})
    assert _made(shared, "process").call({}) != before


def test_environments_share_a_stateless_server_and_fork() -> None:
    makers = mcp_tools(SERVER, stateless=True)
    env = declared_env(tasks=[TASK], tools=makers, grade=exact_match)
    env.reset(seed=0)
    process = _process(env)
    (fork,) = appo_envs.fork(env, 1)
    assert isinstance(fork, ToolEnv) and _process(fork) == process
    env.close()
    assert _process(fork) == process
    actions = ['<add> {"a": 1, "b": 2} </add>', "<answer> \\boxed{ 3 } </answer>"]
    appo_envs.check_fork(fork, actions)


def test_many_threads_may_call_a_shared_server_at_once(shared: tuple[McpToolMaker, ...]) -> None:
    results: dict[int, str] = {}

    def call(number: int) -> None:
        results[number] = _made(shared, "add").call({"a": number, "b": 1})

    threads = [threading.Thread(target=call, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: str(number + 1) for number in range(20)}


def test_other_servers_belong_to_one_environment_and_start_afresh_with_each_episode() -> None:
    env, other = _env(), _env()
    for text in ("a", "b"):
        observation = env.step(f"<note_take> {text} </note_take>")[0]
    assert observation == "<result> a,b </result>"
    process = _process(env)
    assert other.step("<note_take> c </note_take>")[0] == "<result> c </result>"
    assert _process(other) != process
    env.reset()
    assert _gone(process)
    assert env.step("<note_take> d </note_take>")[0] == "<result> d </result>"
    process = _process(env)
    env.close()
    assert _gone(process)
    other.close()


def test_makers_of_a_server_with_state_belong_to_one_environment() -> None:
    env = declared_env(tasks=[TASK], tools=mcp_tools(SERVER), grade=exact_match)
    env.reset(seed=0)
    with pytest.raises(ForkError, match=r"tool 'add' belongs to one environment.*mcp_tools\(stateless=True\)"):
        appo_envs.fork(env, 1)


def test_a_server_with_state_is_forked_only_before_its_first_call() -> None:
    env = _env()
    state = appo_envs.snapshot(env)
    (other,) = appo_envs.fork(env, 1)
    assert other.step("<note_take> of its own </note_take>")[0] == "<result> of its own </result>"
    other.close()
    env.step("<note_take> a </note_take>")
    with pytest.raises(ForkError, match="tool 'add' belongs to one environment"):
        appo_envs.snapshot(env)
    appo_envs.restore(env, state)
    assert env.step("<note_take> b </note_take>")[0] == "<result> b </result>"
    env.close()


def test_a_server_with_state_that_dies_ends_the_episode() -> None:
    env = _env()
    with pytest.raises(EnvError, match="state of its tools is lost, tool 'misbehave' was called last"):
        env.step("<misbehave> die </misbehave>")
    env.reset()
    assert env.step('<add> {"a": 1, "b": 2} </add>')[0] == "<result> 3 </result>"
    env.close()


def test_a_forgotten_environment_gives_its_server_back() -> None:
    env = _env()
    process = _process(env)
    del env
    gc.collect()
    _wait_for(lambda: _gone(process))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_killed_trainer_leaves_no_server() -> None:
    code = (
        "import sys, time; from appo_envs.tools.mcp import mcp_tools\n"
        "makers = mcp_tools(command=[sys.executable, sys.argv[1]], stateless=True, only=['process'])\n"
        "print(makers[0]().call({}), flush=True); time.sleep(60)"
    )
    trainer = subprocess.Popen([sys.executable, "-c", code, SCRIPT], stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None
    process = int(trainer.stdout.readline())
    assert not _gone(process)
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    trainer.stdout.close()
    _wait_for(lambda: _gone(process))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_program_that_never_reads_dies_with_its_parent() -> None:
    mortal = Path(importlib.util.find_spec("appo_envs.tools.mcp").submodule_search_locations[0]) / "mortal.py"  # pyright: ignore
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, sys.argv[1], str(os.getpid()), 'sleep', '60'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(mortal)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    _wait_for(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0])
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _wait_for(lambda: _gone(child))


def test_a_server_over_http_serves_too(url: str) -> None:
    makers = mcp_tools(HttpServer(url), stateless=True)
    assert _made(makers, "add").call({"a": 1, "b": 2}) == "3"
    with pytest.raises(ToolError):
        _made(makers, "misbehave").call({"how": "raise"})
    with pytest.raises(ToolError, match="out of time"):
        _hasty(makers).call({"how": "sleep"})


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (StdioServer(("there-is-no-such-program",)), "could not be reached: .*no-such-program"),
        (StdioServer((sys.executable, "-c", "import sys; sys.exit('no licence')")), "it said: no licence"),
        (StdioServer((sys.executable, "-c", "print('hello')")), "could not be reached"),
        (StdioServer(("sleep", "60")), "no answer after 3 s"),
        (HttpServer("http://127.0.0.1:9/mcp"), "could not be reached: .*Connect"),
    ],
)
def test_a_server_that_cannot_be_reached_says_why(server: StdioServer | HttpServer, reason: str) -> None:
    with pytest.raises(EnvError, match=reason):
        mcp_tools(server, timeout=3.0)


def test_makers_travel_to_other_processes_without_their_connection(shared: tuple[McpToolMaker, ...]) -> None:
    copied = pickle.loads(pickle.dumps(shared))
    assert copied[0].connection is copied[1].connection is not shared[0].connection
    assert _made(copied, "process").call({}) != _made(shared, "process").call({})


def test_tools_are_chosen_and_named() -> None:
    makers = mcp_tools(SERVER, only=["Note.Take", "add"], prefix="remote_")
    assert [maker.name for maker in makers] == ["remote_note_take", "remote_add"]
    assert makers[0]().schema["function"]["name"] == "remote_note_take"
    with pytest.raises(ValueError, match="has no tool 'ad'; did you mean 'add'"):
        mcp_tools(SERVER, only=["ad"])


@pytest.mark.parametrize(
    ("originals", "names"),
    [
        (
            ["get-weather", "GitHub/search", "a.b", "2nd", "über", "__x__"],
            ["get_weather", "github_search", "a_b", "tool_2nd", "ber", "x"],
        ),
        (["a-b", "a.b", "a_b"], ["a_b", "a_b_2", "a_b_3"]),
        (["a_2", "a", "a"], ["a_2", "a", "a_3"]),
        (["日本"], ["tool"]),
    ],
)
def test_names_become_words_that_differ(originals: list[str], names: list[str]) -> None:
    assert tool_names(originals) == names


def test_a_state_of_something_else_is_refused(shared: tuple[McpToolMaker, ...]) -> None:
    with pytest.raises(TypeError, match="has no snapshots but None"):
        _made(shared, "add").restore("state")


def test_settings_out_of_range_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="either a server or a command"):
        mcp_tools()
    with pytest.raises(ValueError, match="timeout must be above 0"):
        mcp_tools(SERVER, timeout=0)
    with pytest.raises(ValueError, match="a program and its arguments"):
        StdioServer(())
    with pytest.raises(TypeError, match=r"words such as \['python', 'server.py'\]"):
        StdioServer("python server.py")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="must begin with http"):
        HttpServer("localhost:8000")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'appo-gym\[mcp\]'"):
        mcp_tools(SERVER)


def test_headers_and_variables_are_not_shown() -> None:
    assert "secret" not in repr(StdioServer(("x",), env={"KEY": "secret"})) + str(StdioServer(("x",), {"K": "secret"}))
    assert "secret" not in repr(HttpServer("http://x", {"Authorization": "secret"}))
