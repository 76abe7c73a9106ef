"""The in-process learner: right scores, exact averages over micro-batches, nothing applied that is not finite."""

import math
from dataclasses import replace

import pytest
import torch

from appo_agent.algorithms.logprobs import token_scores
from appo_agent.algorithms.losses import LossConfig
from appo_agent.batch import Batch, SampleKey
from appo_agent.errors import CheckpointError, NonFiniteError
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig
from appo_agent.policies.tiny.model import TinyConfig, TinyModel

SMALL = TinyConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)


def learner(keep_previous: bool = False, **settings: float) -> InProcessLearner:
    model = TinyModel(SMALL, 30, torch.Generator().manual_seed(0)).double()
    optimizer = replace(OptimizerConfig(warmup_updates=0), **settings)
    return InProcessLearner(model, optimizer, temperature=0.7, save=lambda folder: None, keep_previous=keep_previous)


def example(rows: int = 5, width: int = 9, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randint(0, 30, (rows, width), generator=generator)
    lengths = torch.tensor([width - row % 3 for row in range(rows)])
    attention = torch.arange(width)[None] < lengths[:, None]
    action = attention & (torch.rand(rows, width, generator=generator) < 0.6)
    action[:, 0], action[:, 1] = False, True
    made = Batch(
        keys=tuple(SampleKey(row, "0") for row in range(rows)),
        token_ids=torch.where(attention, token_ids, 0),
        attention_mask=attention,
        action_mask=action,
        behavior_logprobs=torch.zeros(rows, width),
        inherited=torch.zeros(rows, dtype=torch.long),
    )
    advantages = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    return replace(made, advantages=torch.where(action, advantages, 0.0))


def with_old(made: InProcessLearner, batch: Batch, shift: float = 0.1) -> Batch:
    return replace(batch, old_logprobs=made.score(batch).logprobs - shift * batch.action_mask)


def state(made: InProcessLearner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in made.weights().items()}


def test_scores_equal_a_whole_forward_at_the_temperature() -> None:
    made, batch = learner(), example()
    with torch.no_grad():
        logits = made.model.project(made.model.hidden_states(batch.token_ids))
    expected = token_scores(logits, batch.token_ids, temperature=0.7)
    scores = made.score(batch)
    torch.testing.assert_close(scores.logprobs, torch.where(batch.action_mask, expected.logprobs, 0.0))
    torch.testing.assert_close(scores.entropies, torch.where(batch.action_mask, expected.entropies, 0.0))


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean"])
def test_micro_batches_change_no_update(aggregation: str) -> None:
    config = LossConfig(aggregation=aggregation)  # pyright: ignore[reportArgumentType]
    results = []
    for size in (1, 20, 10_000):
        made = learner(micro_batch_tokens=size)
        metrics = made.update(with_old(made, example()), config)
        results.append((state(made), metrics))
    for weights, metrics in results[1:]:
        for name, value in results[0][0].items():
            # Adam divides a gradient by its own size, so a rounding error can show up enlarged.
            torch.testing.assert_close(weights[name], value, atol=1e-6, rtol=0)
        assert list(metrics) == pytest.approx(list(results[0][1]), rel=1e-6)


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean"])
def test_rows_without_advantage_count_in_the_average_without_being_computed(aggregation: str) -> None:
    config = LossConfig(aggregation=aggregation)  # pyright: ignore[reportArgumentType]
    batch = example()
    assert batch.advantages is not None
    silenced = replace(batch, advantages=batch.advantages * torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])[:, None])
    made, whole = learner(), learner()
    # A KL weight too small to matter makes the second learner compute every row.
    made.update(with_old(made, silenced), config)
    ready = with_old(whole, silenced)
    whole.update(replace(ready, ref_logprobs=ready.old_logprobs), replace(config, kl_weight=1e-12))
    for name, value in state(whole).items():
        torch.testing.assert_close(state(made)[name], value, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean"])
@pytest.mark.parametrize("micro_batch_tokens", [10, 10_000])
def test_what_is_said_of_ratios_does_not_fall_as_rows_go_silent(aggregation: str, micro_batch_tokens: int) -> None:
    config = LossConfig(aggregation=aggregation)  # pyright: ignore[reportArgumentType]
    made = learner(micro_batch_tokens=micro_batch_tokens)
    batch = with_old(made, example(), shift=0.3)
    assert batch.advantages is not None
    silenced = replace(batch, advantages=batch.advantages * torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0])[:, None])
    alone = learner().update(silenced.select([0, 2]), config)
    found = made.update(silenced, config)
    assert found.kl == pytest.approx(alone.kl, rel=1e-6) and found.kl > 0.01
    assert found.mean_ratio_deviation == pytest.approx(alone.mean_ratio_deviation, rel=1e-6)
    # The loss is an average over all rows, those of silent groups too.
    assert abs(found.loss) < 0.7 * abs(alone.loss)


def test_an_update_raises_the_likelihood_of_what_was_good() -> None:
    made = learner(learning_rate=1e-2)
    batch = example()
    good = replace(batch, advantages=batch.action_mask.double())
    before = made.score(good).logprobs.sum()
    for _ in range(5):
        made.update(with_old(made, good, shift=0.0), LossConfig())
    assert made.score(good).logprobs.sum() > before and made.version == 5


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    made = learner()
    made.update(with_old(made, example()), LossConfig())
    weights, tensors = state(made), {name: value.clone() for name, value in made.tensors().items()}
    batch = with_old(made, example())
    assert batch.advantages is not None
    poisoned = replace(batch, advantages=batch.advantages * float("nan"))
    with pytest.raises(NonFiniteError, match="update 2: loss nan"):
        made.update(poisoned, LossConfig())
    assert made.version == 1
    assert all(torch.equal(weights[name], value) for name, value in made.weights().items())
    assert all(torch.equal(tensors[name], value) for name, value in made.tensors().items())


def test_the_step_size_warms_up() -> None:
    made = learner(warmup_updates=4, learning_rate=1e-3)
    sizes = []
    for _ in range(5):
        made.update(with_old(made, example()), LossConfig())
        sizes.append(made._optimizer.param_groups[0]["lr"])
    assert sizes == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3, 1e-3])


def test_previous_and_reference_weights_score_and_go_back() -> None:
    made = learner(keep_previous=True, learning_rate=1e-2)
    batch = example()
    assert made.score_previous(batch) is None
    with pytest.raises(ValueError, match="no pi_ref yet"):
        made.score_reference(batch)
    made.set_reference()
    first = made.score(batch).logprobs
    made.update(with_old(made, batch), LossConfig())
    second = made.score(batch).logprobs
    made.update(with_old(made, batch), LossConfig())
    third = made.score(batch).logprobs
    previous = made.score_previous(batch)
    assert previous is not None and torch.equal(previous.logprobs, second) and not torch.equal(second, third)
    assert torch.equal(made.score_reference(batch).logprobs, first)
    assert torch.equal(made.score(batch).logprobs, third)


def test_a_restored_learner_goes_on_with_the_same_bytes() -> None:
    first = learner(keep_previous=True)
    first.set_reference()
    for _ in range(2):
        first.update(with_old(first, example()), LossConfig())
    second = learner(keep_previous=True)
    second.load_tensors({name: value.clone() for name, value in first.tensors().items()}, first.version)
    for made in (first, second):
        made.update(with_old(made, example(seed=1)), LossConfig())
    assert second.version == first.version == 3
    assert all(torch.equal(a, b) for a, b in zip(first.tensors().values(), second.tensors().values(), strict=True))


def test_weights_of_another_model_are_refused() -> None:
    tensors = learner().tensors()
    del tensors["policy.model.norm.weight"]
    with pytest.raises(CheckpointError, match="weights do not fit the model: .*on one side only"):
        learner().load_tensors(tensors, 0)
    # One value for all would be spread over the tensor without a word.
    tensors = learner().tensors() | {"policy.model.norm.weight": torch.ones(1, dtype=torch.float64)}
    with pytest.raises(CheckpointError, match=r"model.norm.weight is \(1,\), expected \(32,\); load them with"):
        learner().load_tensors(tensors, 0)


def test_an_update_needs_old_log_probs_and_advantages() -> None:
    with pytest.raises(ValueError, match="needs a batch with old_logprobs and advantages"):
        learner().update(example(), LossConfig())


@pytest.mark.parametrize("setting", ["learning_rate", "gradient_clip", "micro_batch_tokens"])
def test_bad_settings_are_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        replace(OptimizerConfig(), **{setting: 0})


@pytest.mark.parametrize("setting", ["learning_rate", "gradient_clip", "weight_decay"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_settings_that_are_not_finite_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{setting} must be .*finite, got {value}"):
        replace(OptimizerConfig(), **{setting: value})
