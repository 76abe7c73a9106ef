"""One episode: a question, a method, an endpoint.

Owns the loop over turns and what of it is recorded. The environment knows no gold answer here: grading comes
later, from the records.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from appo_benchmarks.benchmark import Benchmark, Item
from appo_benchmarks.endpoint import Completion, Endpoint, RequestRefused
from appo_benchmarks.errors import EndpointDown
from appo_benchmarks.methods import Method
from appo_benchmarks.methods.method import made_whole
from appo_benchmarks.record import EpisodeRecord, TurnRecord
from appo_benchmarks.refining import Refined, RefiningSearch
from appo_benchmarks.tooling import needed, tool_makers, tools_of
from appo_envs import Task, ToolEnv
from appo_envs.errors import EnvError, ToolError
from appo_envs.grading import exact_match
from appo_envs.seeding import derive_seed
from appo_envs.tasks.listed import ListedTasks
from appo_envs.tools.search import SearchBackend
from appo_envs.tools.search.tool import MAX_QUERY_CHARS
from appo_envs.tools.web.pages import PageSource

REFINING_TEMPERATURE = 1e-6
"""As good as greedy; `appo serve` wants a temperature above 0."""
_SPLIT = "test"


class _Ending(NamedTuple):
    over: bool
    answer: str | None
    format_ok: bool
    truncated: bool


_UNFINISHED = _Ending(False, None, True, False)


@dataclass(frozen=True)
class PlaySettings:
    """How episodes are played.

    Attributes:
        temperature: of sampling, at least 0 and finite.
        max_tokens: of one turn, at least 1.
        max_turns: of an episode, at least 1.
        max_tool_calls: of an episode, at least 0.
        seed: of the run.
    """

    temperature: float = 0.6
    max_tokens: int = 4096
    max_turns: int = 12
    max_tool_calls: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf or self.max_tokens < 1 or self.max_turns < 1 or self.max_tool_calls < 0:
            raise ValueError(
                "temperature and max_tool_calls must be at least 0 and finite, max_tokens and max_turns at least 1, "
                f"got {self.temperature}, {self.max_tool_calls}, {self.max_tokens} and {self.max_turns}"
            )


def tasks_of(items: Sequence[Item]) -> ListedTasks:
    """The questions as tasks, without their answers."""
    return ListedTasks({_SPLIT: [Task(item.id, item.question, "") for item in items]})


class Player:
    """Plays episodes one after the other, on an environment of its own; each worker has one.

    Args:
        benchmark: whose items are played.
        tasks: the items that may be played, from `tasks_of`; shared by all players, for it takes a while to make.
        method: of asking.
        search: finds documents; None where none are needed.
        endpoint: answers.
        settings: of the episodes.
        pages: to visit, on deep-search benchmarks; None for no visits.
        only: tools instead of those of the benchmark; empty for its own.

    Raises:
        BenchmarkError: the method needs search and there is none, or does not go with the tools.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        tasks: ListedTasks,
        method: Method,
        search: SearchBackend | None,
        endpoint: Endpoint,
        settings: PlaySettings,
        pages: PageSource | None = None,
        only: tuple[str, ...] = (),
    ) -> None:
        names = tools_of(benchmark, method, pages is not None, only)
        self._endpoint, self._settings = endpoint, settings
        self._refining = RefiningSearch(needed(search), self._refine) if method.refines else None
        refining = self._refining
        self._env = ToolEnv(
            tasks,
            tool_makers(names, search, pages) if refining is None else [lambda: refining],
            method.dialect(names),
            exact_match,
            split=_SPLIT,
            max_turns=settings.max_turns,
            max_tool_calls=settings.max_tool_calls,
        )
        self._retrieve = retriever(search, method.retrieved)

    @property
    def system_prompt(self) -> str:
        """What the model is told before each question."""
        return self._env.system_prompt

    def play(self, item: Item, sample: int) -> EpisodeRecord:
        """Play one episode to its end.

        Returns:
            The record. Where the endpoint refuses a request or a tool breaks, the record says so in `error`.

        Raises:
            EndpointDown: the endpoint answers no request.
        """
        start = time.perf_counter()
        turns: list[TurnRecord] = []
        ending, error, documents = _UNFINISHED, "", ""
        try:
            documents = self._retrieve(item.question)
            prompt = {"prompt": f"{documents}\n\nQuestion: {item.question}"} if documents else {}
            self._env.reset(seed=0, options={"task": item.id} | prompt)
            while not ending.over:
                turn, ending = self._turn(derive_seed(self._settings.seed, item.id, sample, len(turns)) % 2**31)
                turns.append(turn)
        except (RequestRefused, EnvError) as failure:
            if isinstance(failure.__cause__, EndpointDown):
                raise failure.__cause__ from failure
            error = f"{type(failure).__name__}: {failure}"
        return EpisodeRecord(
            item.id,
            sample,
            tuple(turns),
            ending.answer,
            ending.format_ok,
            ending.truncated,
            error,
            time.perf_counter() - start,
            documents,
        )

    def close(self) -> None:
        """Close the tools."""
        self._env.close()

    def _turn(self, seed: int) -> tuple[TurnRecord, _Ending]:
        completion = self._endpoint.complete(
            self._env.messages,
            temperature=self._settings.temperature,
            max_tokens=self._settings.max_tokens,
            stop=self._env.stop_strings,
            seed=seed,
        )
        text = completion.text
        if completion.finish != "length":
            text = made_whole(text, self._env.stop_strings)
        if self._refining is not None:
            self._refining.hear(text)
        observation, _, terminated, truncated, info = self._env.step(text)
        calls = info["tool_calls"]
        refined = None if self._refining is None else self._refining.refined
        documents, prompt_tokens, completion_tokens = refined or Refined("", 0, 0)
        turn = TurnRecord(
            text,
            observation,
            completion.finish,
            completion.prompt_tokens + prompt_tokens,
            completion.completion_tokens + completion_tokens,
            len(calls),
            sum(call.is_error for call in calls),
            documents,
        )
        over = terminated or truncated
        return turn, _Ending(over, info["answer"] if over else None, info["format_ok"], truncated)

    def _refine(self, prompt: str) -> Completion:
        # Greedy in effect, like a judge: of reasoning it is the policy's own turns that are sampled.
        return self._endpoint.complete(
            [{"role": "user", "content": prompt}],
            temperature=REFINING_TEMPERATURE,
            max_tokens=self._settings.max_tokens,
            seed=self._settings.seed % 2**31,
        )


def retriever(search: SearchBackend | None, count: int) -> Callable[[str], str]:
    """A function from a question to the documents that stand before it, as text; empty where there are none.

    Raises:
        BenchmarkError: documents are wanted and there is no search.
    """
    if not count:
        return lambda question: ""
    tool = tool_makers(("search",), search)[0]()

    def retrieve(question: str) -> str:
        tool.reset(Task("retrieve", question, ""))
        try:
            return tool.call({"query": question[:MAX_QUERY_CHARS]})
        except ToolError as error:
            # The model would be told, too, if it had searched itself.
            return str(error)

    return retrieve
