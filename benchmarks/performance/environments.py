"""What an environment adds to its tools: time of reset, step and snapshot, memory of snapshots, and waiting together.

Owns the measurements. Everything goes through `gymnasium.make` and the wrappers that it adds, as users have it.
"""

from __future__ import annotations

import functools
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import gymnasium
from environments_peers import Gem
from gymnasium.vector import AutoresetMode
from row import Row

import appo_envs
from appo_envs.envs.library_web import LibraryWeb
from appo_envs.tasks import Task
from appo_envs.tasks.deep_web import DeepWeb
from appo_envs.tools.base import ToolSchema, tool_schema
from appo_envs.tools.python import PythonTool
from appo_envs.tools.search.base import SearchHit
from appo_envs.tools.search.tool import SearchTool
from appo_envs.tools.visit import VisitTool
from appo_envs.tools.web.pages import Page
from appo_envs.vector import ToolVectorEnv

LATENCY = 0.05
MEMBERS = 256
ROUNDS = 60
SNAPSHOTS = 10_000
EPISODES = 40
REPEATS = 1000
LONG = "0123456789" * 1000
ANSWER = "<answer> \\boxed{ right } </answer>"
CALL = "<respond> now </respond>"
GEM_FOLDER = Path.home() / ".cache" / "appo-gym" / "peers" / "gem"
PYTHON_CALL = "<python>\nvalue = 7\nprint(value ** 2)\n</python>"


class Responder:
    """A tool without state that takes a while and returns a text.

    Args:
        seconds: that a call takes.
        text: that it returns.
    """

    name = "respond"
    schema: ToolSchema = tool_schema("respond", "responds.", argument="when", argument_description="a word")

    def __init__(self, seconds: float, text: str) -> None:
        self._seconds, self._text = seconds, text

    def reset(self, task: Task) -> None:
        """Nothing to do."""

    def call(self, arguments: Mapping[str, object], /) -> str:
        """Wait and respond."""
        if self._seconds:
            time.sleep(self._seconds)
        return self._text

    def snapshot(self) -> None:
        """There is no state."""

    def restore(self, state: object | None, /) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


class LateWeb(LibraryWeb):
    """The pages of a little web, each answer of which takes as long as that of a server somewhere."""

    def search(self, query: str, k: int) -> list[SearchHit]:
        """Wait and search."""
        time.sleep(LATENCY)
        return super().search(query, k)

    def page(self, url: str) -> Page | None:
        """Wait and read."""
        time.sleep(LATENCY)
        return super().page(url)


def rows() -> list[Row]:
    """All figures; takes about a minute."""
    return [*_overhead_rows(), _snapshot_row(), _memory_row(), *_concurrency_rows()]


@functools.cache
def _make(seconds: float, text: str) -> Callable[..., gymnasium.Env]:
    """Makes an environment with one tool, by an id of its own."""
    env_id = f"benchmark/Responder{len(text)}x{round(1000 * seconds)}-v0"
    appo_envs.register_tool_env(
        env_id,
        tasks=[Task(f"task {number}", "What is it?", "right") for number in range(100)],
        tools=lambda: [functools.partial(Responder, seconds, text)],
        grade=lambda answer, gold: answer == gold,
    )
    return functools.partial(gymnasium.make, env_id)


def _median_us(action: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


def _overhead_rows() -> list[Row]:
    """Time of reset, of a step with a call that takes no time, and of the step that ends an episode."""
    found = []
    for name, text in (("", "now"), (", 10,000 characters", LONG)):
        env = _make(0.0, text)()
        if not name:
            found.append(Row("reset", _median_us(env.reset), "us", "", math.nan, "< 100 us"))
        steps, ends = [], []
        for _ in range(REPEATS):
            env.reset()
            for _ in range(5):
                begin = time.perf_counter()
                env.step(CALL)
                steps.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            env.step(ANSWER)
            ends.append(time.perf_counter() - begin)
        step, end = 1e6 * statistics.median(steps), 1e6 * statistics.median(ends)
        found.append(Row(f"step with a call{name}", step, "us", "", math.nan, "< 100 us"))
        found.append(Row(f"step with the answer{name}", end, "us", "", math.nan, "< 100 us"))
        env.close()
    return found


def _snapshot_row() -> Row:
    env = gymnasium.make("appo/MathPython-v0")
    env.reset(seed=0)
    value = _median_us(lambda: appo_envs.snapshot(env))
    env.close()
    return Row("snapshot, tools not used", value, "us", "", math.nan, "< 20 us")


def _memory_row() -> Row:
    """Measured in a process of its own, whose memory was not used for anything else before."""
    program = "import environments; print(environments.snapshot_megabytes())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, check=True
    )
    each = f"{1000 * float(done.stdout) / SNAPSHOTS:.1f} kB each"
    return Row("10,000 snapshots of 5-turn episodes", float(done.stdout), "MB", each, math.nan, "< 200 MB")


def snapshot_megabytes() -> float:
    """What 10,000 snapshots take: one before each turn of 2,000 episodes of five turns, results of 1,000 characters."""
    env = _make(0.0, LONG[:1000])()
    env.reset(seed=0)
    env.step(CALL)
    before = _resident_megabytes()
    states = []
    while len(states) < SNAPSHOTS:
        env.reset()
        for turn in range(5):
            states.append(appo_envs.snapshot(env))
            env.step(f"<think> {len(states)} {'and so on ' * 20} </think> {CALL if turn < 4 else ANSWER}")
    return _resident_megabytes() - before


def _resident_megabytes() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def _concurrency_rows() -> list[Row]:
    """Time of many episodes of DeepSearch at once over that of one whose tools take 50 ms and nothing else does."""
    found = []
    ideal = LATENCY * ROUNDS
    late = functools.partial(LateWeb, DeepWeb())
    env = gymnasium.make(
        "appo/DeepSearch-v0",
        search=functools.partial(SearchTool, late),
        visit=functools.partial(VisitTool, late),
        max_turns=2 * ROUNDS,
        max_tool_calls=2 * ROUNDS,
    )
    for name, play in (("each at its own pace", _play_apart), ("in lock-step", _play_together)):
        vector = ToolVectorEnv(env, MEMBERS, autoreset_mode=AutoresetMode.DISABLED)
        prompts, _ = vector.reset(seed=0)
        # A question ends with a name, which is searched, and its page is visited.
        names = [" ".join(prompt.split()[-3:-1]) for prompt in prompts]
        calls = [[f"<search> {name} </search>", f"<visit> wiki / {name} </visit>"] for name in names]
        # The first search of a world makes its index, 2 ms once for the process.
        vector.step([both[0] for both in calls])
        begin = time.perf_counter()
        play(vector, calls)
        share = ideal / (time.perf_counter() - begin)
        vector.close()
        steps = f"{MEMBERS * ROUNDS / ideal * share:.0f} steps/s"
        target = ">= 0.9" if play is _play_apart else ""
        found.append(Row(f"256 DeepSearch, 50 ms tools, {name}", share, "of ideal", steps, math.nan, target))
    return found


def _play_apart(vector: ToolVectorEnv, calls: Sequence[Sequence[str]]) -> None:
    left = [ROUNDS] * MEMBERS
    vector.send([both[0] for both in calls], range(MEMBERS))
    while any(left):
        again: list[int] = []
        for step in vector.recv():
            left[step.member] -= 1
            if left[step.member]:
                again.append(step.member)
        vector.send([calls[member][left[member] % 2] for member in again], again)


def _play_together(vector: ToolVectorEnv, calls: Sequence[Sequence[str]]) -> None:
    for number in range(ROUNDS):
        vector.step([both[number % 2] for both in calls])


def peer_rows() -> list[Row]:
    """The same episodes in GEM and here, in turn: three calls of Python and an answer that is compared as a text."""
    turns = [PYTHON_CALL] * 3 + [ANSWER]
    gem = Gem(GEM_FOLDER, json.dumps(turns))
    env_id = "benchmark/Python-v0"
    appo_envs.register_tool_env(
        env_id,
        tasks=[Task("task", "What is it?", "right")],
        tools=[PythonTool],
        grade=lambda answer, gold: answer == gold,
    )
    env = gymnasium.make(env_id)
    samples = [(_python_seconds(env, turns), gem.seconds()) for _ in range(EPISODES + 1)][1:]
    ours, theirs = [len(turns) / statistics.median(seconds) for seconds in zip(*samples, strict=True)]
    env.close()
    gem.close()
    peer = f"GEM, a Python program a call {theirs:.1f} steps/s"
    return [Row("steps of episodes with Python calls", ours, "steps/s", peer, ours / theirs, "ratio >= 2")]


def _python_seconds(env: gymnasium.Env, turns: Sequence[str]) -> float:
    begin = time.perf_counter()
    env.reset()
    for turn in turns:
        observation, *_ = env.step(turn)
        if turn is PYTHON_CALL and "49" not in observation:
            raise RuntimeError(f"expected 49 of Python, got {observation!r:.200}")
    return time.perf_counter() - begin
