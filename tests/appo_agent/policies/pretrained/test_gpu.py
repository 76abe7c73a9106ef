"""The learner and the sampler on a GPU against those of the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from appo_agent.algorithms.losses import LossConfig
from appo_agent.policies.base import GenerationRequest
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig
from appo_agent.policies.pretrained.loading import Pretrained, load_pretrained
from appo_agent.policies.pretrained.sampler import TransformersSampler
from appo_agent.policies.pretrained.settings import PretrainedConfig
from tests.appo_agent.policies.little_models import TEXT, little_folder
from tests.appo_agent.policies.test_learner import example

DEVICE = "cuda"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


def _loaded(folder: Path, device: str, *, checkpoint_layers: bool = False) -> Pretrained:
    loaded = load_pretrained(str(folder), PretrainedConfig(dtype="float32", checkpoint_layers=checkpoint_layers))
    loaded.model.model.to(device)  # pyright: ignore[reportArgumentType]
    return loaded


def _learner(loaded: Pretrained) -> InProcessLearner:
    settings = OptimizerConfig(learning_rate=1e-3, warmup_updates=0)
    return InProcessLearner(loaded.model, settings, temperature=0.7, save=loaded.model.save)


@pytest.mark.parametrize("checkpoint_layers", [False, True])
def test_scores_and_gradients_are_those_of_the_cpu(tmp_path: Path, checkpoint_layers: bool) -> None:
    folder = little_folder(tmp_path)
    batch = replace(example(rows=4, width=12), advantages=torch.linspace(-1, 1, 48).view(4, 12))
    found = []
    for device in (DEVICE, "cpu"):
        learner = _learner(_loaded(folder, device, checkpoint_layers=checkpoint_layers))
        scores = learner.score(batch)
        known = replace(batch, old_logprobs=scores.logprobs)
        found.append((*scores, learner.gradient(known, LossConfig())))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def test_sampled_tokens_have_the_log_probs_of_the_learner(tmp_path: Path) -> None:
    loaded = _loaded(little_folder(tmp_path), DEVICE)
    learner, sampler = _learner(loaded), TransformersSampler(loaded.model, loaded.tokenizer)
    sampler.set_weights(0, learner.weights())
    prompts = [loaded.tokenizer.encode(TEXT[:length]) for length in (20, 60, 35)]
    sampler.submit([_request(row, ids) for row, ids in enumerate(prompts)])
    done = sampler.completed()
    assert sorted(completion.request_id for completion in done) == ["0", "1", "2"]
    for completion in done:
        drawn = completion.generation.span
        ids = np.concatenate([prompts[int(completion.request_id)], drawn.token_ids])
        with torch.no_grad():
            logits = loaded.model.project(loaded.model.hidden_states(torch.from_numpy(ids)[None].to(DEVICE)))[0] / 0.7
        said = logits.log_softmax(-1).cpu()[np.arange(len(ids) - len(drawn), len(ids)) - 1, drawn.token_ids.tolist()]
        assert drawn.behavior_logprobs is not None
        np.testing.assert_allclose(said.numpy(), drawn.behavior_logprobs, atol=1e-4)


def _request(row: int, ids: Sequence[int]) -> GenerationRequest:
    return GenerationRequest(
        id=str(row),
        prompt_token_ids=np.array(ids),
        seed=row,
        max_tokens=80,
        temperature=0.7,
        stop=(),
        version=0,
    )
