"""Responses as long as the paper's, with adapters: one update on a little model."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from appo_agent.algorithms.losses import LossConfig
from appo_agent.batch import Batch, Sample, SampleKey
from appo_agent.policies.pretrained.loading import load_pretrained
from appo_agent.policies.pretrained.settings import PretrainedConfig
from tests.appo_agent.policies.little_models import little_folder
from tests.appo_agent.policies.pretrained.test_model import _learner

PROMPT = 16


@pytest.mark.parametrize("response", [4096, 8192])
def test_adapters_learn_from_a_response_of_the_papers_length(response: int, tmp_path: Path) -> None:
    folder = little_folder(tmp_path)
    stored = folder / "config.json"
    stored.write_text(json.dumps({**json.loads(stored.read_text()), "max_position_embeddings": response + PROMPT}))
    settings = PretrainedConfig(dtype="float32", lora_rank=4)
    learner = _learner(load_pretrained(str(folder), settings, response + PROMPT))
    ids = np.random.default_rng(0).integers(0, 256, PROMPT + response)
    own = np.arange(len(ids)) >= PROMPT
    sample = Sample(SampleKey(0, "0"), ids, own, np.zeros(len(ids), np.float32), 0)
    batch = Batch.from_samples([sample])
    scores = learner.score(batch).logprobs
    assert int(batch.action_mask.sum()) == response and bool(torch.isfinite(scores[batch.action_mask]).all())
    before = {name: value.clone() for name, value in learner.model.named_parameters()}
    assert all("lora_" in name for name in before)
    update = replace(batch, old_logprobs=scores, advantages=torch.ones_like(scores))
    metrics = learner.update(update, LossConfig())
    changed = [name for name, value in learner.model.named_parameters() if not torch.equal(value, before[name])]
    assert math.isfinite(metrics.loss) and any("lora_B" in name for name in changed)
