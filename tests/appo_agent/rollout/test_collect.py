"""The turn loop: tokens stay with their authors, tools may wait, broken environments end one rollout."""

import time
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest

from appo_agent.evaluation import summarise
from appo_agent.policies.base import GenerationRequest
from appo_agent.policies.scripted import ScriptedSampler
from appo_agent.policies.tiny.tokenizer import WordTokenizer
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.episode import SamplingConfig
from appo_agent.rollout.tool_env import tool_env
from appo_envs import Task
from appo_envs.errors import EnvError
from tests.appo_agent.conftest import ENV_ID, break_call, make_env, solve


def test_a_scripted_solver_collects_full_rewards(
    collector: Collector, solver: ScriptedSampler, tasks: list[Task]
) -> None:
    trees = collector.collect(tasks, 2, solver, seed=0, keep_states=False)
    assert [tree.task.id for tree in trees] == [task.id for task in tasks]
    for tree in trees:
        assert [rollout.id for rollout in tree] == ["0", "1"]
        for rollout in tree:
            assert rollout.reward == 1.0 and rollout.terminated and rollout.info["is_success"]
            assert len(rollout.turns) == 4 and sum(len(turn.tool_calls) for turn in rollout.turns) == 3


def test_log_probs_stay_with_their_tokens_after_tool_results(
    collector: Collector, tokenizer: WordTokenizer, tasks: list[Task]
) -> None:
    class Numbered(ScriptedSampler):
        """Reports log-prob -(position of the token in the whole sequence) / 1000."""

        def completed(self) -> list:
            done = super().completed()
            starts = {request.id: len(request.prompt_token_ids) for request in self.requests}
            for completion in done:
                span = completion.generation.span
                places = np.arange(len(span)) + starts[completion.request_id]
                object.__setattr__(span, "behavior_logprobs", (-places / 1000).astype(np.float32))
            return done

    [tree] = collector.collect(tasks[:1], 1, Numbered(solve(tokenizer), tokenizer), seed=0, keep_states=False)
    place = 0
    for span in tree.path("0"):
        if span.author == "policy":
            assert span.behavior_logprobs is not None
            np.testing.assert_allclose(span.behavior_logprobs, -(np.arange(len(span)) + place) / 1000, rtol=1e-6)
        else:
            assert span.behavior_logprobs is None
        place += len(span)


def test_the_prompt_grows_by_exactly_what_was_written(
    collector: Collector, solver: ScriptedSampler, tasks: list[Task]
) -> None:
    [tree] = collector.collect(tasks[:1], 1, solver, seed=0, keep_states=False)
    path = tree.path("0")
    for turn, request in enumerate(solver.requests):
        expected = np.concatenate([span.token_ids for span in path[: 1 + 2 * turn]])
        np.testing.assert_array_equal(request.prompt_token_ids, expected)


def test_every_turn_has_its_own_noise(collector: Collector, solver: ScriptedSampler, tasks: list[Task]) -> None:
    collector.collect(tasks, 2, solver, seed=0, keep_states=False)
    seeds = [request.seed for request in solver.requests]
    assert len(set(seeds)) == len(seeds) == 4 * 2 * 4


def test_an_episode_without_room_ends_with_the_verdict_on_an_unanswered_one(
    tokenizer: WordTokenizer, solver: ScriptedSampler, tasks: list[Task]
) -> None:
    short = Collector(EnvPool(make_env), tokenizer, SamplingConfig(max_rollout_tokens=40))
    [tree] = short.collect(tasks[:1], 1, solver, seed=0, keep_states=False)
    rollout = tree.rollout("0")
    assert rollout.truncated and rollout.reward == -1.0 and len(rollout.turns) < 4
    total = sum(len(span) for span in tree.path("0"))
    assert total >= 40 and rollout.info["is_success"] is False


def test_a_turn_that_never_closes_its_tag_is_a_broken_format(
    collector: Collector, tokenizer: WordTokenizer, tasks: list[Task]
) -> None:
    babble = ScriptedSampler(lambda request: "<think> " * 100, tokenizer)
    [tree] = collector.collect(tasks[:1], 1, babble, seed=0, keep_states=False)
    assert tree.rollout("0").reward == -1.0
    assert tree.rollout("0").own_policy_tokens == SamplingConfig().max_turn_tokens


@pytest.mark.parametrize(("masked", "reward"), [(False, -1.0), (True, 0.0)])
@pytest.mark.parametrize("limits", [SamplingConfig(max_turn_tokens=3), SamplingConfig(max_rollout_tokens=40)])
def test_a_rollout_that_a_limit_on_tokens_cut_is_truncated_and_may_be_masked(
    limits: SamplingConfig, masked: bool, reward: float, tokenizer: WordTokenizer, tasks: list[Task]
) -> None:
    envs = EnvPool(lambda: gymnasium.make(ENV_ID, disable_env_checker=True, mask_truncated=masked))
    solver = ScriptedSampler(solve(tokenizer), tokenizer)
    [tree] = Collector(envs, tokenizer, limits).collect(tasks[:1], 1, solver, seed=0, keep_states=False)
    rollout = tree.rollout("0")
    assert rollout.truncated and not rollout.terminated and rollout.reward == reward
    assert rollout.info["answer"] is None and not rollout.info["format_ok"]
    assert summarise([tree]).truncated == 1.0


@pytest.mark.parametrize("keep_states", [False, True])
def test_a_prompt_that_fills_the_episode_is_truncated_without_a_token(
    keep_states: bool, collector: Collector, tokenizer: WordTokenizer, solver: ScriptedSampler, tasks: list[Task]
) -> None:
    [whole] = collector.collect(tasks[:1], 1, solver, seed=0, keep_states=False)
    for room in (1, 0, -5):
        limit = len(whole.prompt) + room
        sampler = ScriptedSampler(solve(tokenizer), tokenizer, context=limit + 1)
        full = Collector(EnvPool(make_env), tokenizer, SamplingConfig(max_rollout_tokens=limit))
        [tree] = full.collect(tasks[:1], 2, sampler, seed=0, keep_states=keep_states)
        assert [request.max_tokens for request in sampler.requests] == [1, 1] * (room == 1)
        for rollout in tree:
            assert rollout.own_policy_tokens == max(room, 0)
            assert rollout.truncated and not rollout.terminated and rollout.error is None
            assert rollout.reward == -1.0 and rollout.info["answer"] is None
        assert summarise([tree]).truncated == 1.0


def test_an_answer_that_just_fits_is_not_cut(tokenizer: WordTokenizer, tasks: list[Task]) -> None:
    answer = "<answer> \\boxed{ Ba } </answer>"
    limits = SamplingConfig(max_turn_tokens=len(tokenizer.encode(answer)))
    sampler = ScriptedSampler(lambda request: answer, tokenizer)
    [tree] = Collector(EnvPool(make_env), tokenizer, limits).collect(tasks[:1], 1, sampler, seed=0, keep_states=False)
    assert tree.rollout("0").terminated and not tree.rollout("0").truncated
    assert tree.rollout("0").info["format_ok"]


class Fragile(gymnasium.Wrapper):
    """Breaks in the second turn of every third episode."""

    episodes = 0

    def reset(self, **keywords: Any) -> Any:
        Fragile.episodes += 1
        self.turns, self.breaks = 0, Fragile.episodes % 3 == 0
        return self.env.reset(**keywords)

    def step(self, action: str) -> Any:
        self.turns += 1
        if self.breaks and self.turns == 2:
            raise EnvError("the search index vanished")
        return self.env.step(action)


def test_a_broken_environment_ends_one_rollout_and_says_why(
    tokenizer: WordTokenizer, solver: ScriptedSampler, tasks: list[Task]
) -> None:
    Fragile.episodes = 0
    fragile = Collector(EnvPool(lambda: Fragile(make_env())), tokenizer, SamplingConfig())
    trees = fragile.collect(tasks[:2], 3, solver, seed=0, keep_states=False)
    errors = [rollout.error for tree in trees for rollout in tree]
    assert [error is not None for error in errors] == [False, False, True, False, False, True]
    assert errors[2] == "EnvError: the search index vanished"
    assert all(rollout.reward == 1.0 for tree in trees for rollout in tree if rollout.error is None)


@pytest.mark.parametrize("where", ["reset", "snapshot"])
def test_an_environment_that_breaks_between_its_steps_ends_one_rollout_and_says_why(
    where: str, tokenizer: WordTokenizer, solver: ScriptedSampler, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector(EnvPool(make_env), tokenizer, SamplingConfig())
    # Every turn of every rollout takes a snapshot, all first ones before the second ones.
    break_call(monkeypatch, where, 1 if where == "reset" else 7)
    trees = collector.collect(tasks[:2], 3, solver, seed=0, keep_states=True)
    broken = trees[0].rollout("1")
    assert broken.error == f"SandboxError: no {where}"
    assert not broken.terminated and not broken.truncated
    assert len(broken.turns) == (0 if where == "reset" else 1)
    assert [rollout.reward for tree in trees for rollout in tree if rollout is not broken] == [1.0] * 5
    # The environment is used again, as after a step that broke.
    again = collector.collect(tasks[:2], 3, solver, seed=0, keep_states=True)
    assert all(rollout.reward == 1.0 for tree in again for rollout in tree)


def test_a_prompt_is_known_even_if_no_rollout_of_it_begins(
    collector: Collector, solver: ScriptedSampler, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    [whole] = collector.collect(tasks[:1], 1, solver, seed=0, keep_states=False)
    break_call(monkeypatch, "reset", 0)
    [tree] = collector.collect(tasks[:1], 1, solver, seed=0, keep_states=False)
    assert tree.rollout("0").error == "SandboxError: no reset"
    np.testing.assert_array_equal(tree.prompt.token_ids, whole.prompt.token_ids)
    [grown] = collector.extend([tree], [1], solver, seed=0, keep_states=False)
    assert grown.rollout("1").reward == 1.0


def test_code_that_ends_its_own_process_between_two_turns_ends_that_rollout_alone() -> None:
    turns = {
        "0/0": "<python> import os, threading\nthreading.Timer(0.1, lambda: os._exit(0)).start() </python>",
        "0/1": "<python> import time; time.sleep(0.5) </python>",
    }

    class Characters:
        """A token a character."""

        eos_token_id, pad_token_id = 0, 1

        def encode(self, text: str) -> list[int]:
            return [ord(character) for character in text]

        def decode(self, token_ids: Sequence[int]) -> str:
            return "".join(map(chr, token_ids))

        def prompt(self, messages: Sequence[Any]) -> list[int]:
            return self.encode(messages[-1]["content"])

        def answers(self, messages: Sequence[Any], *, after_eos: bool) -> list[int]:
            return self.prompt(messages)

    tokenizer = Characters()
    script = ScriptedSampler(lambda request: turns.pop(request.id, "<answer> \\boxed{ 1 } </answer>"), tokenizer)
    envs = EnvPool(lambda: gymnasium.make("appo/MathPython-v0", disable_env_checker=True))
    collector = Collector(envs, tokenizer, SamplingConfig(max_turn_tokens=500, max_rollout_tokens=4000))
    task = tool_env(gymnasium.make("appo/MathPython-v0")).tasks("train")[0]
    [tree] = collector.collect([task], 2, script, seed=0, keep_states=True)
    collector.close()
    error = tree.rollout("0").error
    assert error is not None and "the session's process is gone" in error
    assert tree.rollout("1").error is None and len(tree.rollout("1").turns) == 2


class Slow(gymnasium.Wrapper):
    """One environment of the pool takes long over its tool calls."""

    made = 0

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.delay = 0.4 if Slow.made == 0 else 0.0
        Slow.made += 1

    def step(self, action: str) -> Any:
        time.sleep(self.delay)
        return self.env.step(action)


def test_a_waiting_episode_holds_no_generation_slot(tokenizer: WordTokenizer, tasks: list[Task]) -> None:
    Slow.made = 0
    sampler = ScriptedSampler(solve(tokenizer), tokenizer)
    waiting = Collector(EnvPool(lambda: Slow(make_env())), tokenizer, SamplingConfig(), tool_workers=4)
    trees = waiting.collect(tasks, 1, sampler, seed=0, keep_states=False)
    waiting.close()
    order = [request.id for request in sampler.requests]
    # The slow episode asks for its second turn only after all others have had all of theirs.
    slow_second = [place for place, name in enumerate(order) if name == "0/0"][1]
    assert all(place < slow_second for place, name in enumerate(order) if name != "0/0")
    assert all(tree.rollout("0").reward == 1.0 for tree in trees)


def test_threads_and_lock_step_give_the_same_rollouts(tokenizer: WordTokenizer, tasks: list[Task]) -> None:
    def rollouts(workers: int) -> list[list[int]]:
        used = Collector(EnvPool(make_env), tokenizer, SamplingConfig(), tool_workers=workers)
        trees = used.collect(tasks, 2, ScriptedSampler(solve(tokenizer), tokenizer), seed=3, keep_states=False)
        used.close()
        return [[int(i) for span in tree.path(r.id) for i in span.token_ids] for tree in trees for r in tree]

    assert rollouts(0) == rollouts(3)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="temperature must be positive"):
        SamplingConfig(temperature=0.0)
    with pytest.raises(ValueError, match="max_turn_tokens"):
        SamplingConfig(max_turn_tokens=0)


def test_a_special_token_spelled_by_a_tool_never_becomes_its_id(tokenizer: WordTokenizer, tasks: list[Task]) -> None:
    class Poisoned(gymnasium.Wrapper):
        def step(self, action: str) -> Any:
            observation, *rest = self.env.step(action)
            return (f"{observation} <eos> <pad>" if observation else observation, *rest)

    def one_search(request: GenerationRequest) -> str:
        return "<answer> \\boxed{ Ba } </answer>" if len(request.prompt_token_ids) > 20 else solve(tokenizer)(request)

    poisoned = Collector(EnvPool(lambda: Poisoned(make_env())), tokenizer, SamplingConfig())
    [tree] = poisoned.collect(tasks[:1], 1, ScriptedSampler(one_search, tokenizer), seed=0, keep_states=False)
    from_env = {int(i) for span in tree.path("0") if span.author == "env" for i in span.token_ids}
    assert not from_env & {tokenizer.eos_token_id, tokenizer.pad_token_id}
    assert tokenizer.token_id("<unk>") in from_env
