"""The sharded learner is the learner of one process, whatever the number of ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from appo_agent.algorithms.losses import LossConfig
from appo_agent.batch import Batch
from appo_agent.cluster.sharded import ShardedLearner
from appo_agent.cluster.sharded_checkpoint import load_shards, save_shards
from appo_agent.errors import CheckpointError, ConfigError, NonFiniteError
from appo_agent.policies.base import Learner, UpdateMetrics
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig
from appo_agent.policies.tiny.model import TinyModel
from tests.appo_agent.cluster.ranks import on_ranks
from tests.appo_agent.policies.test_learner import SMALL, example

# Fewer rows than ranks, uneven numbers and several micro-batches.
ROWS = (5, 1, 3, 7)
SETTINGS = OptimizerConfig(warmup_updates=2, micro_batch_tokens=20)
LOSS = LossConfig(kl_weight=0.01)
CLOSE = 1e-12


class Outcome(NamedTuple):
    """What four updates leave behind."""

    metrics: list[UpdateMetrics]
    scores: torch.Tensor
    previous: torch.Tensor
    gradient: torch.Tensor
    tensors: Mapping[str, torch.Tensor]


def model(width: int = SMALL.hidden_size) -> TinyModel:
    return TinyModel(replace(SMALL, hidden_size=width), 30, torch.Generator().manual_seed(0)).double()


def single() -> InProcessLearner:
    return InProcessLearner(model(), SETTINGS, temperature=0.7, save=lambda folder: None, keep_previous=True)


def sharded(width: int = SMALL.hidden_size) -> ShardedLearner:
    made = model(width)

    def save(folder: Path, weights: Mapping[str, torch.Tensor]) -> None:
        torch.save(dict(weights), folder / "weights.pt")

    return ShardedLearner(made, made, SETTINGS, temperature=0.7, save=save, keep_previous=True)


def ready(learner: Learner, rows: int, seed: int) -> Batch:
    batch = example(rows=rows, seed=seed)
    old = learner.score(batch).logprobs - 0.1 * batch.action_mask
    return replace(batch, old_logprobs=old, ref_logprobs=learner.score_reference(batch).logprobs)


def advance(learner: InProcessLearner, first: int = 0, last: int = len(ROWS)) -> list[UpdateMetrics]:
    return [learner.update(ready(learner, ROWS[index], index), LOSS) for index in range(first, last)]


def four_updates(learner: InProcessLearner) -> Outcome:
    learner.set_reference()
    metrics = advance(learner)
    previous = learner.score_previous(example())
    assert previous is not None
    scores, gradient = learner.score(example()), torch.zeros(0)
    if isinstance(learner, ShardedLearner):
        gradient = learner.gradient(ready(learner, 5, 9), LOSS)
    return Outcome(metrics, torch.stack(list(scores)), previous.logprobs, gradient, learner.tensors())


def sharded_updates(folder: Path) -> Outcome:
    learner = sharded()
    found = four_updates(learner)
    learner.save_policy(folder / "policy")
    save_shards(learner, folder / "shards")
    return found


def loaded_and_two_more(folder: Path) -> Outcome:
    learner = sharded()
    load_shards(learner, folder / "shards")
    assert learner.version == len(ROWS)
    tensors = {name: value.clone() for name, value in learner.tensors().items()}
    return Outcome(advance(learner, 0, 2), torch.zeros(0), torch.zeros(0), torch.zeros(0), tensors)


def assert_same(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], atol: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=atol, rtol=0, msg=lambda m, name=name: f"{name}: {m}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def two(folder: Path) -> list[Outcome]:
    found = on_ranks(2, sharded_updates, folder, folder=folder)
    return [one for one in found if isinstance(one, Outcome)]


def test_two_ranks_learn_what_one_process_learns(two: list[Outcome]) -> None:
    expected = four_updates(single())
    for found in two:
        torch.testing.assert_close(torch.tensor(found.metrics), torch.tensor(expected.metrics), atol=CLOSE, rtol=0)
        torch.testing.assert_close(found.scores, expected.scores, atol=CLOSE, rtol=0)
        torch.testing.assert_close(found.previous, expected.previous, atol=CLOSE, rtol=0)
        assert_same(found.tensors, expected.tensors, CLOSE)


def test_the_gradient_is_the_one_of_one_process(two: list[Outcome]) -> None:
    learner = single()
    four_updates(learner)
    expected = torch.cat([value.flatten() for value in _gradients(learner)])
    torch.testing.assert_close(two[1].gradient, expected.float(), atol=1e-6, rtol=0)


def _gradients(learner: InProcessLearner) -> list[torch.Tensor]:
    learner._gradients(ready(learner, 5, 9), LOSS)
    return [value.grad for _, value in learner.model.named_parameters() if value.grad is not None]


def test_the_saved_policy_has_whole_weights(two: list[Outcome], folder: Path) -> None:
    saved = torch.load(folder / "policy" / "weights.pt")
    assert_same(saved, {k.removeprefix("policy."): v for k, v in two[0].tensors.items() if "policy." in k}, 0)


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_checkpoint_of_two_ranks_goes_on_at_another_number(two: list[Outcome], folder: Path, ranks: int) -> None:
    expected = single()
    four_updates(expected)
    metrics = torch.tensor(advance(expected, 0, 2))
    for found in on_ranks(ranks, loaded_and_two_more, folder, folder=folder):
        assert isinstance(found, Outcome)
        assert_same(found.tensors, two[0].tensors, 0)
        torch.testing.assert_close(torch.tensor(found.metrics), metrics, atol=1e-10, rtol=0)


def refusals(folder: Path) -> list[str]:
    learner = sharded()
    said = [_message(CheckpointError, lambda: load_shards(learner, folder / "nothing"))]
    said.append(_message(CheckpointError, lambda: load_shards(sharded(width=64), folder / "shards")))
    said.append(_message(CheckpointError, lambda: save_shards(learner, folder / "shards")))
    batch = example()
    assert batch.advantages is not None
    before = learner.weights()
    bad = replace(batch, old_logprobs=learner.score(batch).logprobs, advantages=batch.advantages * float("nan"))
    said.append(_message(NonFiniteError, lambda: learner.update(bad, LossConfig())))
    assert_same(learner.weights(), before, 0)
    frozen = model()
    next(frozen.parameters()).requires_grad_(False)
    settings = {"temperature": 1.0, "save": lambda folder, weights: None}
    said.append(_message(ConfigError, lambda: ShardedLearner(frozen, frozen, SETTINGS, **settings)))
    return said


def _message(kind: type[Exception], work: object) -> str:
    assert callable(work)
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


def test_what_does_not_fit_is_refused_and_changes_nothing(two: list[Outcome], folder: Path) -> None:
    assert len(two) == 2
    for said in on_ranks(2, refusals, folder, folder=folder):
        assert isinstance(said, list)
        missing, other, taken, nan, frozen = said
        assert "no whole checkpoint" in missing and "has the shape" in other and "already" in taken
        assert "nothing was applied" in nan and "pretrained.lora_rank" in frozen
