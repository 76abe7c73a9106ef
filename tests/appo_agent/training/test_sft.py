"""The cold start learns the expert's tokens and nothing else, the same way every time."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from appo_agent.policies.pretrained.loading import load_pretrained
from appo_agent.policies.pretrained.settings import PretrainedConfig
from appo_agent.training.build import build_agent
from appo_agent.training.demonstrations import ExpertDemonstrations, demonstrate
from appo_agent.training.run import env_tasks
from appo_agent.training.sft import ColdStart, ColdStartConfig
from appo_agent.training.task_stream import TaskStream
from tests.appo_agent.policies.little_models import little_folder
from tests.appo_agent.training.conftest import small_config


def cold_start(steps: int = 40, seed: int = 0) -> tuple[ColdStart, dict[str, torch.Tensor]]:
    config = small_config(seed=seed)
    agent = build_agent(config)
    stream = TaskStream(env_tasks(agent, "train"), 3)
    settings = replace(config.cold_start, steps=steps)
    experts = ExpertDemonstrations(agent.collector.envs, stream, agent.tokenizer, seed)
    phase = ColdStart(agent.model, experts, settings)
    return phase, dict(agent.model.full_weights())


def test_the_loss_falls() -> None:
    phase, _ = cold_start()
    losses = [phase.step() for _ in range(40)]
    assert phase.done and sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_only_what_the_expert_wrote_is_learned() -> None:
    agent = build_agent(small_config())
    env = agent.collector.envs.acquire()
    task = env_tasks(agent, "train")[0]
    demonstration = demonstrate(env, task, agent.tokenizer, seed=1)
    written = demonstration.written
    prompt = len(agent.tokenizer.encode(task.prompt))
    assert not written[:prompt].any() and written[prompt]
    learned = agent.tokenizer.decode(demonstration.token_ids[written].tolist()).split()
    assert learned[0] == "<think>" and learned[-1] == "</answer>" and "<result>" not in learned
    shown = agent.tokenizer.decode(demonstration.token_ids[~written].tolist()).split()
    assert shown.count("<result>") == learned.count("<search>") == 1


def test_gradients_come_from_the_experts_tokens_alone() -> None:
    phase, weights = cold_start()
    (demonstration,) = phase._demonstrations.take(0, 1)
    # A token that stands only in what the environment said, as the last one before nothing, must not matter.
    loss = phase._loss([demonstration])
    changed = replace(demonstration, token_ids=demonstration.token_ids.copy())
    last_env = max(i for i, mine in enumerate(demonstration.written) if not mine)
    assert last_env < len(demonstration.written) - 1
    changed.token_ids[0] = (changed.token_ids[0] + 1) % 50
    assert not torch.equal(phase._loss([changed]), loss), "the prompt is context"
    untrained = replace(demonstration, written=demonstration.written & False)
    untrained.written[len(untrained.written) - 1] = True
    assert not torch.equal(phase._loss([untrained]), loss)


def test_the_same_seed_gives_the_same_demonstrations_and_weights() -> None:
    runs = []
    for seed in (0, 0, 1):
        phase, weights = cold_start(seed=seed)
        runs.append(([phase.step() for _ in range(4)], weights))
    assert runs[0][0] == runs[1][0] != runs[2][0]
    assert all(torch.equal(runs[0][1][name], runs[1][1][name]) for name in runs[0][1])


def test_a_restored_cold_start_goes_on_with_the_same_bytes() -> None:
    first, first_weights = cold_start()
    for _ in range(3):
        first.step()
    second, second_weights = cold_start()
    with torch.no_grad():
        for name, value in first_weights.items():
            second_weights[name].copy_(value)
    second.load_tensors({name: value.clone() for name, value in first.tensors().items()}, first.finished_steps)
    assert [first.step() for _ in range(3)] == [second.step() for _ in range(3)]
    assert all(torch.equal(first_weights[name], second_weights[name]) for name in first_weights)


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": -1},
        {"batch_size": 0},
        {"muon_learning_rate": -1.0},
        {"adamw_learning_rate": 0.0},
        {"max_tokens": 1},
        {"warmup_steps": 0},
        {"muon_learning_rate": math.nan},
        {"adamw_learning_rate": math.inf},
        {"weight_decay": math.nan},
    ],
)
def test_bad_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ColdStartConfig(**settings)


def test_adapters_which_are_matrices_alone_learn_and_go_on(tmp_path: Path) -> None:
    settings = PretrainedConfig(dtype="float32", checkpoint_layers=False, lora_rank=4)
    model = load_pretrained(str(little_folder(tmp_path)), settings).model
    phase, _ = cold_start()
    config = ColdStartConfig(steps=12, batch_size=2, warmup_steps=1)
    first = ColdStart(model, phase._demonstrations, config)
    losses = [first.step() for _ in range(12)]
    assert losses[-1] < losses[0]
    again = ColdStart(model, phase._demonstrations, config)
    again.load_tensors(first.tensors(), first.finished_steps)
    assert again.done and again.tensors().keys() == first.tensors().keys()
