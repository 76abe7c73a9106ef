"""Branches: the token is drawn again, the environment goes on from the forked state, the action is head plus tail."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from appo_agent.policies.scripted import ScriptedSampler
from appo_agent.policies.tiny.tokenizer import WordTokenizer
from appo_agent.rollout.branch import PlacedBranch, grow
from appo_agent.rollout.collect import Collector, EnvPool
from appo_agent.rollout.episode import SamplingConfig
from appo_agent.rollout.tool_env import tool_env
from appo_agent.types import BranchPoint
from appo_envs import Task
from tests.appo_agent.conftest import break_call, make_env, solve


def mistaken_tree(collector: Collector, tokenizer: WordTokenizer, task: Task, turn: int = 1) -> Any:
    wrong = ScriptedSampler(solve(tokenizer, mistake_in_turn=turn), tokenizer)
    [tree] = collector.collect([task], 1, wrong, seed=0, keep_states=True)
    assert tree.rollout("0").reward == 0.0
    return tree


def tail_of(tokenizer: WordTokenizer, script: Any) -> Any:
    """Continue a turn that is under way: the solver's whole turn without the words that are already there."""

    def continued(request: Any) -> str:
        words = tokenizer.decode(request.prompt_token_ids.tolist()).split()
        # Cut back to where the turn began, ask the solver, and drop the head.
        last = max(i for i, word in enumerate(words) if word in ("?", "</result>"))
        head = words[last + 1 :]
        whole = request.prompt_token_ids[: last + 1]
        text = script(type(request)(**{**vars(request), "prompt_token_ids": whole})).split()
        return " ".join(text[len(head) :])

    return continued


def test_a_branch_resamples_its_token_and_repairs_the_mistake(
    collector: Collector, tokenizer: WordTokenizer, tasks: list[Task]
) -> None:
    tree = mistaken_tree(collector, tokenizer, tasks[0])
    # Turn 1 reads "<think> verb relation </think> <search> relation entity </search>"; token 2 is the wrong relation.
    point = BranchPoint("0", 1, 2, 0.7)
    sampler = ScriptedSampler(tail_of(tokenizer, solve(tokenizer)), tokenizer)
    [grown] = grow([tree], [PlacedBranch(0, point)], collector, sampler, seed=1, keep_states=False)
    branch = grown.rollout("0.0")
    assert branch.origin == point and branch.reward == 1.0
    wrong, right = tree.rollout("0").turns[1].action.token_ids[2], branch.turns[0].action.token_ids[0]
    assert wrong != right
    # The parent is untouched, and what precedes the point is its own tokens, never generated again.
    assert grown.rollout("0") is tree.rollout("0")
    before = np.concatenate([span.token_ids for span in tree.spans_before(point)])
    np.testing.assert_array_equal(sampler.requests[0].prompt_token_ids, before)
    full = np.concatenate([span.token_ids for span in grown.path("0.0")])
    np.testing.assert_array_equal(full[: len(before)], before)


def test_the_first_action_of_a_branch_is_head_plus_tail(tokenizer: WordTokenizer, tasks: list[Task]) -> None:
    sent: list[str] = []

    class Listening(gymnasium.Wrapper):
        def step(self, action: str) -> Any:
            sent.append(action)
            return self.env.step(action)

    collector = Collector(EnvPool(lambda: Listening(make_env())), tokenizer, SamplingConfig())
    tree = mistaken_tree(collector, tokenizer, tasks[1])
    sent.clear()
    sampler = ScriptedSampler(tail_of(tokenizer, solve(tokenizer)), tokenizer)
    grow([tree], [PlacedBranch(0, BranchPoint("0", 1, 2, 0.0))], collector, sampler, seed=1, keep_states=False)
    words = sent[0].split()
    head = tokenizer.decode(tree.rollout("0").turns[1].action.token_ids[:2].tolist()).split()
    assert words[:2] == head and words[0] == "<think>" and words[-1] == "</search>" and len(words) == 9


def test_the_environment_goes_on_from_the_state_before_the_turn(
    collector: Collector, tokenizer: WordTokenizer, tasks: list[Task]
) -> None:
    tree = mistaken_tree(collector, tokenizer, tasks[0])
    sampler = ScriptedSampler(tail_of(tokenizer, solve(tokenizer)), tokenizer)
    placed = [PlacedBranch(0, BranchPoint("0", turn, 0, 0.0)) for turn in (0, 1, 1)]
    [grown] = grow([tree], placed, collector, sampler, seed=1, keep_states=False)
    assert [branch.id for branch in grown.branches] == ["0.0", "0.1", "0.2"]
    # From turn 0 four turns are left, from turn 1 three: the turns before the fork are not played again.
    assert [len(branch.turns) for branch in grown.branches] == [4, 3, 3]
    assert all(branch.reward == 1.0 for branch in grown.branches)


def test_a_branch_of_a_branch_forks_inside_its_partial_turn(
    collector: Collector, tokenizer: WordTokenizer, tasks: list[Task]
) -> None:
    tree = mistaken_tree(collector, tokenizer, tasks[0])
    still_wrong = ScriptedSampler(tail_of(tokenizer, solve(tokenizer, mistake_in_turn=1)), tokenizer)
    [once] = grow([tree], [PlacedBranch(0, BranchPoint("0", 1, 1, 0.0))], collector, still_wrong, 1, keep_states=True)
    assert once.rollout("0.0").reward == 0.0
    repaired = ScriptedSampler(tail_of(tokenizer, solve(tokenizer)), tokenizer)
    point = BranchPoint("0.0", 0, 1, 0.0)
    [twice] = grow([once], [PlacedBranch(0, point)], collector, repaired, 2, keep_states=False)
    nested = twice.rollout("0.0.0")
    assert nested.reward == 1.0 and nested.origin == point
    assert twice.path_policy_tokens_before(nested) == once.path_policy_tokens_before(once.rollout("0.0")) + 1


def test_branches_at_one_point_have_different_noise_and_the_same_seed_repeats_it(
    collector: Collector, tokenizer: WordTokenizer, tasks: list[Task]
) -> None:
    tree = mistaken_tree(collector, tokenizer, tasks[0])
    placed = [PlacedBranch(0, BranchPoint("0", 1, 2, 0.0))] * 2

    def seeds(seed: int) -> list[int]:
        sampler = ScriptedSampler(tail_of(tokenizer, solve(tokenizer)), tokenizer)
        grow([tree], placed, collector, sampler, seed, keep_states=False)
        return [request.seed for request in sampler.requests[:2]]

    assert len(set(seeds(1))) == 2 and seeds(1) == seeds(1) and seeds(1) != seeds(2)


def test_a_snapshot_that_cannot_be_restored_ends_one_branch_and_says_why(
    collector: Collector, tokenizer: WordTokenizer, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = mistaken_tree(collector, tokenizer, tasks[0])
    placed = [PlacedBranch(0, BranchPoint("0", 1, 2, 0.0))] * 3
    break_call(monkeypatch, "restore", 1)
    sampler = ScriptedSampler(tail_of(tokenizer, solve(tokenizer)), tokenizer)
    [grown] = grow([tree], placed, collector, sampler, seed=1, keep_states=False)
    broken = grown.rollout("0.1")
    assert broken.error == "SandboxError: no restore" and broken.turns == () and broken.origin == placed[1].point
    assert [grown.rollout(name).reward for name in ("0.0", "0.2")] == [1.0, 1.0]


def test_a_turn_without_a_snapshot_cannot_branch(
    collector: Collector, solver: ScriptedSampler, tasks: list[Task]
) -> None:
    [tree] = collector.collect(tasks[:1], 1, solver, seed=0, keep_states=False)
    with pytest.raises(ValueError, match="kept no snapshot before turn 0; collect with keep_states=True"):
        grow([tree], [PlacedBranch(0, BranchPoint("0", 0, 0, 0.0))], collector, solver, 0, keep_states=False)


def test_the_live_interpreter_is_forked_as_it_was_before_the_turn() -> None:
    turns = {
        0: "<python> x = 41 </python>",
        1: "<python> x = 0 </python>",
        2: "<answer> \\boxed{ 42 } </answer>",
    }
    words = sorted({word for text in turns.values() for word in text.split()} | {"print(", "+", "1", ")", "<result>"})
    tokenizer = WordTokenizer.from_vocabulary([*words, "</result>"])

    def script(answers: dict[int, str]) -> Any:
        return lambda request: answers[tokenizer.decode(request.prompt_token_ids.tolist()).count("</result>")]

    collector = Collector(
        EnvPool(lambda: gymnasium.make("appo/MathPython-v0", disable_env_checker=True)), tokenizer, SamplingConfig()
    )
    task = tool_env(gymnasium.make("appo/MathPython-v0")).tasks("train")[0]
    [tree] = collector.collect([task], 1, ScriptedSampler(script(turns), tokenizer), seed=0, keep_states=True)
    look = {**turns, 1: "<python> print( x + 1 ) </python>"}
    placed = [PlacedBranch(0, BranchPoint("0", 1, 0, 0.0))]
    [grown] = grow([tree], placed, collector, ScriptedSampler(script(look), tokenizer), 1, keep_states=False)
    # The parent has set x to 0 since; the branch sees it as it was before the parent's second turn.
    [call] = grown.rollout("0.0").turns[0].tool_calls
    assert call.result.strip() == "42"
    collector.close()
