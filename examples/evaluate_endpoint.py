"""How well an OpenAI-compatible endpoint does on one of our environments, with an interval.

`python examples/evaluate_endpoint.py --base-url http://127.0.0.1:8000/v1 --model NAME --output out.jsonl`

Several episodes are under way at once, each in an environment of its own. With `--output` every episode is one JSON
line, written as soon as it is over; the same command again plays only what is missing. The key is taken from
OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import gymnasium

from appo_agent.analysis.statistics import wilson_interval
from appo_envs import EnvError, ToolEnv
from appo_envs.adapters.openai import ChatClient, play


class Result(NamedTuple):
    """One episode."""

    task: str
    success: bool
    reward: float
    tool_calls: int
    tokens: int
    error: str


class Environments:
    """Environments that are made when they are needed and used again."""

    def __init__(self, make: Callable[[], ToolEnv]) -> None:
        self._make, self._idle = make, SimpleQueue[ToolEnv]()

    @contextmanager
    def one(self) -> Iterator[ToolEnv]:
        """An environment that nobody else uses."""
        env = self._make() if self._idle.empty() else self._idle.get()
        yield env
        self._idle.put(env)


def play_one(client: ChatClient, model: str, environments: Environments, task: str) -> Result:
    """Play a task; an environment that breaks is a result too, which does not count."""
    with environments.one() as env:
        try:
            episode = play(client, model, env, task=task)
        except EnvError as error:
            return Result(task, False, 0.0, 0, 0, str(error))
    calls = sum(len(message.get("tool_calls", ())) for message in episode.messages)
    return Result(task, bool(episode.info["is_success"]), episode.reward, calls, episode.tokens, "")


def evaluate(
    client: ChatClient, model: str, environments: Environments, tasks: Iterable[str], concurrency: int
) -> Iterator[Result]:
    """The results of the tasks, as they come."""
    with ThreadPoolExecutor(concurrency) as pool:
        waiting = [pool.submit(play_one, client, model, environments, task) for task in tasks]
        for done in as_completed(waiting):
            yield done.result()


def summary(results: list[Result]) -> str:
    """Success with its interval, and what it took."""
    counted = [result for result in results if not result.error]
    if not counted:
        return f"no episode came through; {len(results)} environments broke"
    successes = sum(result.success for result in counted)
    low, high = wilson_interval(successes, len(counted))
    calls = sum(result.tool_calls for result in counted) / len(counted)
    tokens = sum(result.tokens for result in counted) / len(counted)
    return (
        f"success {successes / len(counted):.1%} [{low:.1%}, {high:.1%}] on {len(counted)} episodes; {calls:.1f} tool "
        f"calls and {tokens:,.0f} tokens an episode; {len(results) - len(counted)} broken environments"
    )


def kept_results(path: Path | None) -> list[Result]:
    """What an earlier call played; a line that was cut off is played again."""
    if path is None or not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    path.write_text("".join(f"{line}\n" for line in lines[:-1]), encoding="utf-8")
    return [Result(**json.loads(line)) for line in lines[:-1]]


def main() -> None:
    """Evaluate and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    parser.add_argument("--model", default="policy")
    parser.add_argument("--env", default="appo/KnowledgeQA-v0")
    parser.add_argument("--split", default="test")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--output", type=Path, help="one JSON line an episode; what is in it is not played again")
    options = parser.parse_args()

    from openai import OpenAI

    client = OpenAI(base_url=options.base_url, api_key=os.environ.get("OPENAI_API_KEY", "none"))
    print(run(client, options))


def run(client: ChatClient, options: argparse.Namespace) -> str:
    """Play what is missing; the summary of everything."""

    def make() -> ToolEnv:
        env = gymnasium.make(options.env, split=options.split).unwrapped
        if not isinstance(env, ToolEnv):
            raise SystemExit(f"{options.env} is no environment of appo_envs")
        return env

    environments = Environments(make)
    with environments.one() as env:
        tasks = env.tasks(options.split)
        wanted = [tasks[place].id for place in range(min(options.episodes, len(tasks)))]
    results = [result for result in kept_results(options.output) if result.task in wanted]
    missing = sorted(set(wanted) - {result.task for result in results}, key=wanted.index)
    for result in evaluate(client, options.model, environments, missing, options.concurrency):
        results.append(result)
        if options.output is not None:
            with options.output.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(result._asdict()) + "\n")
    return summary(results)


if __name__ == "__main__":
    main()
