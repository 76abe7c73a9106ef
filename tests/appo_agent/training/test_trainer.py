"""The training step: one golden step, same seed same bytes, and what each part may and may not touch."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from appo_agent.algorithms.logprobs import TokenScores
from appo_agent.algorithms.plan import Independent, ScoreBranches
from appo_agent.algorithms.registry import ALGORITHMS
from appo_agent.batch import Batch
from appo_agent.policies.base import GenerationRequest
from appo_agent.training.build import Agent, build_agent
from appo_agent.training.config import TrainConfig
from appo_agent.training.record_file import read_records
from appo_agent.training.run import env_tasks
from appo_agent.training.run_dir import RunDir
from appo_agent.training.run_files import write_step_records
from appo_agent.training.task_stream import TaskStream
from appo_agent.training.trainer import StepResult, Trainer
from tests.appo_agent.conftest import break_call
from tests.appo_agent.training.conftest import cold_start, small_config

GOLDEN = Path(__file__).parents[2] / "golden" / "training_step.json"
# Sixty steps of fine-tuning make of a processor's rounding another policy, so the golden step begins with a stored one.
GOLDEN_POLICY = GOLDEN.with_name("policy")


def run_steps(config: TrainConfig, agent: Agent, steps: int = 1) -> list[StepResult]:
    trainer = Trainer(config, agent.collector, agent.sampler, agent.learner)
    stream = TaskStream(env_tasks(agent, "train"), 7)
    count = config.prompts_per_step
    spares = TaskStream(env_tasks(agent, "train"), 8).take(0, count * config.plan.most_redraws)
    return [trainer.step(stream.take(number * count, count), number, spares) for number in range(steps)]


def started(config: TrainConfig) -> Agent:
    made = build_agent(config)
    cold_start(made, config, 60)
    return made


def weights(agent: Agent) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in agent.learner.weights().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def figures(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith("seconds/")}


def test_the_golden_step(config: TrainConfig) -> None:
    """One APPO step from a stored policy equals the stored one: metrics, and a random projection of every weight.

    To renew the file after an intended change, delete it and run this test once; it then says so and fails.
    """
    agent = build_agent(config, GOLDEN_POLICY)
    agent.push_weights()
    [result] = run_steps(config, agent)
    projections = {}
    for name, value in sorted(agent.learner.weights().items()):
        direction = np.random.default_rng(0).standard_normal(tuple(value.shape))
        projections[name] = float((value.double().numpy() * direction).sum())
    found = {"metrics": figures(result.metrics), "weights": projections}
    if not GOLDEN.exists():
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        pytest.fail(f"{GOLDEN} was missing and has been written; look at it and run again")
    golden = json.loads(GOLDEN.read_text())
    assert found["metrics"].keys() == golden["metrics"].keys()
    for name, value in golden["metrics"].items():
        # Agreement of sampler and learner is rounding noise, which depends on the processor.
        if not name.startswith("mismatch/"):
            assert found["metrics"][name] == pytest.approx(value, rel=2e-3, abs=2e-5), name
    for name, value in golden["weights"].items():
        assert projections[name] == pytest.approx(value, rel=1e-3, abs=2e-3), name


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    runs = []
    for seed in (0, 0, 1):
        config = small_config(seed=seed)
        agent = started(small_config())
        results = run_steps(config, agent, 2)
        runs.append((weights(agent), [figures(result.metrics) for result in results]))
    assert same(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]
    assert not same(runs[0][0], runs[2][0])


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_takes_a_step(name: str) -> None:
    config = small_config(name)
    agent = started(config)
    before = weights(agent)
    [result] = run_steps(config, agent)
    assert agent.learner.version == 2 and not same(before, weights(agent))
    assert agent.sampler.version == 2
    assert result.metrics["train/updates"] == 2
    assert ("tokens/branches" in result.metrics) == config.plan.keeps_states


class Watched:
    """A sampler that counts what it generates."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.requests, self.generated = inner, list[GenerationRequest](), 0

    @property
    def version(self) -> int:
        return self.inner.version

    def set_weights(self, version: int, source: Any) -> None:
        self.inner.set_weights(version, source)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        self.requests += requests
        self.inner.submit(requests)

    def completed(self) -> list:
        done = self.inner.completed()
        self.generated += sum(len(completion.generation.span) for completion in done)
        return done


def test_tokens_before_a_branch_point_are_never_generated_again(config: TrainConfig, agent: Agent) -> None:
    watched = Watched(agent.sampler)
    trainer = Trainer(config, agent.collector, watched, agent.learner)
    result = trainer.step(TaskStream(env_tasks(agent, "train"), 7).take(0, 4), 0)
    own = sum(rollout.own_policy_tokens for tree in result.trees for rollout in tree)
    inherited = sum(tree.path_policy_tokens_before(rollout) for tree in result.trees for rollout in tree.branches)
    assert watched.generated == own == result.metrics["tokens/generated"]
    assert inherited > 0


def test_branches_are_drawn_by_the_current_policy_and_rollouts_by_the_old_one(
    config: TrainConfig, agent: Agent
) -> None:
    [result] = run_steps(config, agent)
    assert {rollout.policy_version for tree in result.trees for rollout in tree.initial} == {0}
    # Two mini-batches: branches of the first are drawn before any update, those of the second after one.
    assert {rollout.policy_version for tree in result.trees for rollout in tree.branches} == {0, 1}
    assert result.metrics["branching/cold_fraction"] == 0.5


@pytest.mark.parametrize(("epochs", "again"), [(1, 2), (2, 6)])
def test_rollouts_are_scored_again_only_after_an_update(
    config: TrainConfig, agent: Agent, monkeypatch: pytest.MonkeyPatch, epochs: int, again: int
) -> None:
    scored: list[tuple[int, frozenset[int]]] = []
    score = agent.learner.score

    def watched(batch: Batch) -> TokenScores:
        scored.append((agent.learner.version, frozenset(key.tree for key in batch.keys)))
        return score(batch)

    monkeypatch.setattr(agent.learner, "score", watched)
    # Four prompts in two mini-batches: the first mini-batch of the first epoch meets the weights that drew it.
    plan = Independent(rollouts=4)
    [result] = run_steps(replace(config, plan=plan, epochs=epochs), agent)
    first, *later = scored
    assert first == (0, frozenset(range(4)))
    assert sum(len(trees) for _, trees in later) == again and 0 not in [version for version, _ in later]
    # Of the last epoch the records say what pi_theta was: in the first epoch's first mini-batch it was pi_old.
    equal = [
        part.batch.old_logprobs is not None and torch.equal(part.scores.logprobs, part.batch.old_logprobs)
        for part in result.scored
    ]
    assert equal == ([True, False] if epochs == 1 else [False, False])


def test_branches_receive_no_gradient_unless_they_are_trained(config: TrainConfig) -> None:
    def trained_rows(train_branches: bool) -> tuple[list[bool], dict[str, torch.Tensor]]:
        changed = replace(config, advantage=replace(config.advantage, train_branches=train_branches), mini_batches=1)
        agent = started(config)
        seen: list[bool] = []
        update = agent.learner.update

        def spy(batch: Any, loss: Any) -> Any:
            seen.extend("." in key.rollout for key in batch.keys)
            return update(batch, loss)

        agent.learner.update = spy  # pyright: ignore[reportAttributeAccessIssue]
        run_steps(changed, agent)
        return seen, weights(agent)

    without, weights_without = trained_rows(False)
    # Two loops score the first loop's branches as sources, and still train none of them.
    config = replace(config, plan=ScoreBranches(rollouts=6, initial=2, branches=1, loops=2))
    nested, _ = trained_rows(False)
    assert len(nested) == 8 and not any(nested)
    with_branches, weights_with = trained_rows(True)
    assert len(without) == 8 and not any(without)
    assert len(with_branches) > 8 and sum(with_branches) == len(with_branches) - 8
    assert not same(weights_without, weights_with)


def test_nested_loops_epochs_the_lagged_cold_start_and_a_kl_term_run(config: TrainConfig, agent: Agent) -> None:
    plan = ScoreBranches(rollouts=6, initial=2, branches=1, loops=2, cold_start="lagged")
    changed = replace(config, plan=plan, epochs=2, loss=replace(config.loss, kl_weight=0.01))
    lagged = build_agent(changed)
    cold_start(lagged, changed, 40)
    lagged.learner.set_reference()
    first, second = run_steps(changed, lagged, 2)
    assert first.metrics["train/updates"] == 4
    nested = [rollout.id for tree in first.trees for rollout in tree if rollout.id.count(".") == 2]
    assert nested, "no branch of a branch was drawn"
    # Once weights before the last update exist, no mini-batch is cold any more.
    assert second.metrics["branching/cold_fraction"] == 0.0


def test_a_step_without_any_signal_changes_no_weights(config: TrainConfig) -> None:
    agent = build_agent(config)  # random weights: every answer breaks the format
    before = weights(agent)
    [result] = run_steps(config, agent)
    assert result.metrics["advantage/groups_without_signal"] == 1.0
    assert result.metrics["train/reward"] == -1.0
    assert same(before, weights(agent))


def test_broken_environments_are_counted_and_left_out(config: TrainConfig, agent: Agent) -> None:
    from appo_envs.errors import EnvError

    envs = agent.collector.envs
    acquire, steps = envs.acquire, iter(range(10**9))

    def sometimes_broken() -> Any:
        env = acquire()
        step = type(env).step

        def breaking(action: str) -> Any:
            if next(steps) % 7 == 6:
                raise EnvError("gone")
            return step(env, action)

        env.step = breaking  # pyright: ignore[reportAttributeAccessIssue]
        return env

    envs.acquire = sometimes_broken  # pyright: ignore[reportAttributeAccessIssue]
    [result] = run_steps(config, agent)
    assert result.metrics["errors/rollouts"] >= 2
    assert all(rollout.error is None for tree in result.trees for rollout in tree)


@pytest.mark.parametrize("where", ["reset", "snapshot", "restore"])
@pytest.mark.parametrize("name", ["appo", "arpo", "tree_grpo", "vineppo"])
def test_an_environment_that_breaks_between_its_steps_costs_one_rollout_whatever_the_algorithm(
    name: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(name)
    agent = build_agent(config)
    break_call(monkeypatch, where, 1)
    [result] = run_steps(config, agent)
    # An untrained policy calls no tool: what ARPO would branch at does not exist, and nothing is restored.
    assert result.metrics["errors/rollouts"] == (0 if (name, where) == ("arpo", "restore") else 1)
    assert all(rollout.error is None for tree in result.trees for rollout in tree)


@pytest.mark.parametrize("name", ["appo", "arpo", "tree_grpo", "vineppo", "dapo", "reinforce_pp"])
@pytest.mark.parametrize("long", [1, 4])
def test_prompts_without_room_teach_nothing_and_stop_nothing(name: str, long: int, tmp_path: Path) -> None:
    config = small_config(name)
    agent = build_agent(config)
    split = env_tasks(agent, "train")
    tasks, spares = split[:4], split[4 : 4 + 4 * config.plan.most_redraws]
    tasks[:long] = [replace(task, prompt=task.prompt + " ?" * 60) for task in tasks[:long]]
    before = weights(agent)
    result = Trainer(config, agent.collector, agent.sampler, agent.learner).step(tasks, 0, spares)
    assert result.metrics["train/truncated"] > 0
    assert all(rollout.own_policy_tokens for tree in result.trees for rollout in tree)
    if long == 4 and not spares:
        assert result.metrics["tokens/generated"] == 0 and same(before, weights(agent))
    directory = RunDir.create(tmp_path / "run")
    write_step_records(directory, 1, result, agent.tokenizer)
    assert len(read_records(directory.record(1))) == len(result.trees)
