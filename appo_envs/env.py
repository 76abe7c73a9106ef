"""The environment: a question, tools, and turns of text.

Owns the episode: what a turn does, when it ends, what it is worth, and going back to an earlier point of it.
Texts are read by a dialect, calls are made by a toolbox, answers are scored by a grader; tokens belong to the
agent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.spaces import Space

from appo_envs.actions import Action, ActionSpace, CutText
from appo_envs.dialects.base import Dialect, ParsedTurn
from appo_envs.dialects.json_arguments import is_deep
from appo_envs.dialects.registry import make_dialect
from appo_envs.errors import EnvError, ForkError, TaskError, did_you_mean
from appo_envs.grading.base import Grader, best_score
from appo_envs.messages import Message, ToolCall
from appo_envs.rendering import Ending, EpisodeView, TurnView, ansi, print_human
from appo_envs.rewards import Outcome, OutcomeReward, Reward
from appo_envs.spaces import UnicodeText
from appo_envs.state import EnvState, Episode, Turn
from appo_envs.tasks.source import TaskSource, TaskSplit
from appo_envs.tasks.task import Task
from appo_envs.toolbox import Toolbox
from appo_envs.tools.base import Tool, ToolMaker, ToolSchema

MAX_TEXT_CHARS = 1_000_000
"""Longest action and observation of the spaces, characters. Longer actions are read all the same."""
TOO_DEEP = "the arguments are nested too deeply ; write simpler ones"
RESET_OPTIONS = ("task", "split", "prompt")


class ToolEnv(gymnasium.Env[str, str]):
    """Answer a question with the help of tools; one step is one turn of the model.

    An observation is only what is new: the question at `reset`, then the results of the turn's calls, and
    nothing at the end. A turn with an answer ends the episode; so does a turn with neither a call nor an answer, as a
    format error, or truncated if it is a `CutText`. A turn that breaks the format otherwise gets an error as its result
    and goes on, to a reward of -1. A turn that would exceed a limit truncates the episode, and its calls are not made.

    `info` of every step holds `tool_calls`, the turn's calls as a tuple of `ToolCall`, and `format_ok`,
    whether all turns so far were well-formed. That of the last step also holds `answer` (the model's, or
    None), `score` in [0, 1] and `is_success` (well-formed with score 1). That of `reset` also holds `task`,
    the task's id.

    Args:
        tasks: where tasks come from.
        tools: a maker for each tool, since every environment needs tools of its own.
        dialect: how the model's text is read, or the registered name of it.
        grader: scores the answer.
        reward: values the outcome.
        split: where `reset` draws tasks from unless told otherwise.
        max_turns: turns an episode, at least 1.
        max_tool_calls: calls an episode, at least 0.
        max_observation_chars: longest result of a call, characters, at least 100; the rest is cut with a
            note.
        action_format: "text" for what a model writes; "tool_calls" for an action space of `Action` values.
            `step` takes both in either case.
        render_mode: None; "ansi" for the episode as text with colours; "human" to print it as it goes on.

    Raises:
        ValueError: a setting is out of range, two tools have one name, or the dialect cannot call one of
            them.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "human"], "render_fps": 1}

    def __init__(
        self,
        tasks: TaskSource,
        tools: Sequence[ToolMaker],
        dialect: Dialect | str,
        grader: Grader,
        reward: Reward | None = None,
        *,
        split: str = "train",
        max_turns: int = 8,
        max_tool_calls: int = 8,
        max_observation_chars: int = 10_000,
        action_format: str = "text",
        render_mode: str | None = None,
    ) -> None:
        if max_turns < 1 or max_tool_calls < 0:
            got = f"{max_turns} and {max_tool_calls}"
            raise ValueError(f"max_turns must be at least 1 and max_tool_calls at least 0, got {got}")
        if not 100 <= max_observation_chars <= MAX_TEXT_CHARS // 2:
            raise ValueError(
                f"max_observation_chars must be in [100, {MAX_TEXT_CHARS // 2}], got {max_observation_chars}"
            )
        if render_mode not in (None, "ansi", "human"):
            raise ValueError(f"render_mode must be None, 'ansi' or 'human', got {render_mode!r}")
        if action_format not in ("text", "tool_calls"):
            raise ValueError(f"action_format must be 'text' or 'tool_calls', got {action_format!r}")
        tasks.split(split)
        self.task_source, self.split = tasks, split
        self.max_turns, self.max_tool_calls = max_turns, max_tool_calls
        self.max_observation_chars, self.render_mode = max_observation_chars, render_mode
        self._grader, self._reward = grader, reward or OutcomeReward()
        self._makers = tuple(tools)
        self._toolbox = Toolbox(self._makers, max_observation_chars)
        self._dialect = make_dialect(dialect, self.tool_schemas) if isinstance(dialect, str) else dialect
        self.system_prompt = self._dialect.system_prompt(self.tool_schemas)
        self.action_format = action_format
        self.action_space: Space[Any] = (
            UnicodeText(MAX_TEXT_CHARS) if action_format == "text" else ActionSpace(self.tool_schemas)
        )
        self.observation_space = UnicodeText(MAX_TEXT_CHARS)
        self._episode: Episode | None = None
        self._closed = False

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools of this environment by name, in their order. Their state belongs to the episode."""
        return self._toolbox.tools

    @property
    def tool_schemas(self) -> list[ToolSchema]:
        """The tools as chat templates and APIs take them."""
        return self._toolbox.schemas

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end a turn; a sampler stops after them and keeps them in the action."""
        return self._dialect.stop_strings

    @property
    def inline_results(self) -> bool:
        """Whether an observation continues the model's own message (see `Dialect.inline_results`)."""
        return self._dialect.inline_results

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every white-space word of the dialect, the source and format errors, once, for word-level tokenizers."""
        return tuple(dict.fromkeys((*self._dialect.vocabulary, *self.task_source.vocabulary, "error", ":", ";")))

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far, as a chat API takes it; a new list each time."""
        episode = self._begun("messages")
        said: list[Message] = []
        for turn in episode.history:
            said += self._dialect.messages(turn.action, [call.result for call in turn.calls])
        return [*self.opening(episode.task), *[message.as_dict() for message in said]]

    @property
    def view(self) -> EpisodeView:
        """The episode so far, for those who show it."""
        episode = self._begun("view")
        turns = [
            TurnView(turn.action, turn.unwritten or self._dialect.parse(turn.action), turn.calls)
            for turn in episode.history
        ]
        return EpisodeView(episode.task.id, episode.task.prompt, tuple(turns), episode.ending)

    def opening(self, task: Task) -> list[dict[str, Any]]:
        """The conversation before the first turn of an episode of this task; no episode is needed to know it."""
        return [Message("system", self.system_prompt).as_dict(), Message("user", task.prompt).as_dict()]

    def tasks(self, split: str) -> TaskSplit:
        """The tasks of a split.

        Raises:
            ValueError: there is no such split.
        """
        return self.task_source.split(split)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: of the environment's generator; None goes on with it.
            options: "task" is the id of a task. Without it a task is drawn from the split named by "split",
                or from the environment's own. "prompt" asks another question instead of the task's, with
                its tools and documents; there is no right answer then.

        Returns:
            The question, and `info`.

        Raises:
            TaskError: no task has this id.
            ValueError: an option or a split is unknown.
            EnvError: a tool broke; there is no episode then.
        """
        if self._closed:
            raise ClosedEnvironmentError("reset was called on a closed environment; make a new one")
        super().reset(seed=seed)
        task = self._choose(options or {})
        # A tool that breaks on the way shall not leave half of this episode and half of the last.
        self._episode = None
        self._toolbox.reset(task)
        self._episode = Episode(task)
        return task.prompt, {"task": task.id, "tool_calls": (), "format_ok": True}

    def step(self, action: str | Action) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take one turn.

        Args:
            action: what the model wrote, up to and including the stop string, a `CutText` if a limit on its tokens
                ended it; or an `Action`, whatever the action format. Arguments nested deeper than a dialect reads
                them break the format.

        Returns:
            (results of the turn's calls, reward, terminated, truncated, info); the reward is 0 until the end.

        Raises:
            ResetNeeded: there is no episode, or it is over.
            TypeError: the action is neither.
            EnvError: a tool broke; the episode is lost.
        """
        episode = self._begun("step")
        if episode.over:
            raise ResetNeeded("step was called after the end of the episode; call reset first")
        if isinstance(action, Action):
            turn = _said(action)
            taken = Turn(self._written(turn), unwritten=turn)
        elif isinstance(action, str):
            turn, taken = self._dialect.parse(action), Turn(str(action))
        else:
            got = f"{type(action).__name__}: {action!r:.80}"
            raise TypeError(f"an action is a string, what the model wrote, or an Action, got {got}")
        turns, calls = len(episode.history) + 1, episode.calls + len(turn.calls)
        if turn.answer is not None or not turn.calls:
            is_cut = turn.answer is None and isinstance(action, CutText)
            result = self._end(episode, taken, turn, truncated=is_cut)
        elif turns >= self.max_turns or calls > self.max_tool_calls:
            result = self._end(episode, taken, turn, truncated=True)
        else:
            result = self._go_on(episode, taken, turn)
        if self.render_mode == "human":
            print_human(self.view, since=turns - 1)
        return result

    def snapshot(self) -> EnvState:
        """All that the future of the episode depends on, in microseconds unless tools have run.

        Raises:
            ResetNeeded: there is no episode.
        """
        episode = self._begun("snapshot")
        return EnvState(self.task_source, episode, self._toolbox.snapshot(), self.np_random.bit_generator.state)

    def restore(self, state: EnvState) -> None:
        """Go back to a snapshot, or over to one of another environment with equal settings.

        Raises:
            ForkError: the snapshot comes from an environment with other tools or another task source.
            TypeError: it is no snapshot.
            EnvError: a tool broke; there is no episode then.
        """
        if self._closed:
            raise ClosedEnvironmentError("restore was called on a closed environment; make a new one")
        if not isinstance(state, EnvState):
            raise TypeError(f"expected an EnvState from snapshot(), got {type(state).__name__}")
        ours = self._toolbox.names
        if tuple(state.tools) != ours or state.source != self.task_source:
            theirs = tuple(state.tools)
            raise ForkError(
                f"the snapshot comes from an environment with tools {theirs} on {state.source}, this one has "
                f"{ours} on {self.task_source}; restore it in an environment made the same way"
            )
        self._episode = None
        self._toolbox.restore(state.episode.task, state.tools)
        self.np_random.bit_generator.state = state.rng
        self._episode = state.episode

    def sibling(self) -> ToolEnv:
        """A new environment with the same settings, not yet reset.

        Subclasses with other arguments override it.
        """
        env = type(self)(
            self.task_source,
            self._sibling_makers(),
            self._dialect,
            self._grader,
            self._reward,
            split=self.split,
            max_turns=self.max_turns,
            max_tool_calls=self.max_tool_calls,
            max_observation_chars=self.max_observation_chars,
            action_format=self.action_format,
            render_mode=self.render_mode,
        )
        env.spec = self.spec
        return env

    def render(self) -> str | None:
        """The episode so far as text in mode "ansi"; otherwise None: mode "human" prints as the episode goes on."""
        return ansi(self.view) if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Close the tools. Snapshots live on; closing twice is fine."""
        self._closed = True
        self._episode = None
        self._toolbox.close()

    def _sibling_makers(self) -> Sequence[ToolMaker]:
        return self._makers

    def _begun(self, caller: str) -> Episode:
        if self._episode is not None:
            return self._episode
        if self._closed:
            raise ClosedEnvironmentError(f"{caller} was used on a closed environment; make a new one")
        raise ResetNeeded(f"{caller} was used before the first reset; call reset first")

    def _choose(self, options: Mapping[str, Any]) -> Task:
        for key in options:
            if key not in RESET_OPTIONS:
                raise ValueError(f"unknown reset option {key!r}; {did_you_mean(key, RESET_OPTIONS)}")
        split = self.task_source.split(options.get("split", self.split))
        if "task" in options:
            task_id = options["task"]
            if not isinstance(task_id, str):
                raise TaskError(f"the id of a task is a string, got {type(task_id).__name__}: {task_id!r:.80}")
            task = self.task_source.task(task_id)
        else:
            task = split[int(self.np_random.integers(len(split)))]
        return task.asking(options["prompt"]) if "prompt" in options else task

    def _written(self, turn: ParsedTurn) -> str:
        """A text that the conversation shows for an action that was none."""
        try:
            return self._dialect.render(turn)
        except ValueError:
            # What the dialect cannot say, several calls or its own markup in an argument, is no less an action.
            said = turn.answer if turn.answer is not None else [(call.tool, call.text) for call in turn.calls]
            return json.dumps(said, ensure_ascii=False)

    def _go_on(self, episode: Episode, taken: Turn, turn: ParsedTurn) -> tuple[str, float, bool, bool, dict[str, Any]]:
        made: tuple[ToolCall, ...] = ()
        if turn.problems:
            error = "error : " + " ; ".join(turn.problems)
            request = turn.calls[0]
            calls = (ToolCall(request.tool, request.text, error, is_error=True, seconds=0.0),)
        else:
            try:
                calls = made = tuple([self._toolbox.call(request) for request in turn.calls])
            except EnvError:
                self._episode = episode._replace(over=True)
                raise
        results = [call.result for call in calls]
        format_ok = episode.format_ok and not turn.problems
        self._episode = episode._replace(
            history=(*episode.history, taken._replace(calls=calls)),
            calls=episode.calls + len(made),
            characters=episode.characters + len(taken.action),
            tools_used=episode.tools_used.union([call.tool for call in made if not call.is_error]),
            format_ok=format_ok,
        )
        info = {"tool_calls": calls, "format_ok": format_ok}
        return self._dialect.render_results(results), 0.0, False, False, info

    def _end(
        self, episode: Episode, taken: Turn, turn: ParsedTurn, *, truncated: bool
    ) -> tuple[str, float, bool, bool, dict[str, Any]]:
        answer = turn.answer
        format_ok = episode.format_ok and not turn.problems and answer is not None
        characters = episode.characters + len(taken.action)
        golds = (episode.task.answer, *episode.task.aliases)
        score = best_score(self._grader, answer, golds) if answer is not None and episode.task.answer else 0.0
        history = (*episode.history, taken)
        outcome = Outcome(format_ok, score, truncated, episode.tools_used, len(history), episode.calls, characters)
        reward = self._reward(outcome)
        self._episode = episode._replace(
            history=history,
            characters=characters,
            format_ok=format_ok,
            over=True,
            ending=Ending(outcome, reward),
        )
        info = {
            "tool_calls": (),
            "format_ok": format_ok,
            "answer": answer,
            "score": score,
            "is_success": format_ok and score >= 1,
        }
        return "", reward, not truncated, truncated, info


def _said(action: Action) -> ParsedTurn:
    """What an action says, with arguments no deeper than a dialect reads them."""
    if not any(is_deep(call.arguments) for call in action.calls):
        return ParsedTurn(action.calls, action.answer)
    # Not kept either: to show, save or copy such a value may take more stack than Python has.
    return ParsedTurn(tuple([call._replace(arguments="") for call in action.calls]), None, (TOO_DEEP,))
