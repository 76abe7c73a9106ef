"""Decoding token by token against a whole forward of another attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache, MistralConfig, MistralForCausalLM
from transformers.cache_utils import DynamicLayer

from appo_agent.policies.pretrained.decoding import RoomyLayer, roomy_cache
from appo_agent.policies.pretrained.model import PretrainedModel
from tests.appo_agent.policies.little_models import Family, little_folder

FAMILIES: tuple[Family, ...] = ("qwen2", "qwen3", "llama")
PADDING = (0, 3, 1, 0)
PROMPT, DRAWN = 5, 90


def _rows(vocabulary: int) -> tuple[Tensor, Tensor]:
    """Ids (4, 95) of left-padded rows, and their mask."""
    ids = torch.randint(3, vocabulary, (len(PADDING), PROMPT + DRAWN), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    for row, padding in enumerate(PADDING):
        mask[row, :padding] = 0
    return ids, mask


def _whole_forward(model: Any, ids: Tensor, mask: Tensor) -> list[Tensor]:
    """Each row's logits (T, V) from its own tokens alone, without padding, mask or cache."""
    with torch.no_grad():
        return [model(input_ids=ids[row][None, mask[row] == 1], use_cache=False).logits[0] for row in range(len(ids))]


def _decoded(model: PretrainedModel, ids: Tensor, mask: Tensor, drop_at: int) -> dict[int, list[Tensor]]:
    """Each row's logits after every token; from place `drop_at` on rows 0 and 2 are gone."""
    rows, cache, found = list(range(len(ids))), None, {row: [] for row in range(len(ids))}
    with torch.inference_mode():
        for place in range(PROMPT, ids.shape[1] + 1):
            if place == drop_at:
                assert cache is not None
                cache.batch_select_indices(torch.tensor([1, 3]))
                rows = [1, 3]
            new = ids[rows, :place] if cache is None else ids[rows, place - 1 : place]
            step = model.decode_step(new, mask[rows, :place], cache)
            cache = step.cache
            for row, logits in zip(rows, step.logits, strict=True):
                found[row].append(logits)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_each_token_is_what_a_whole_forward_of_eager_attention_says(family: Family, tmp_path: Path) -> None:
    folder = little_folder(tmp_path, family, tied=False)

    def load(way: str) -> Any:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation=way)

    decoding = PretrainedModel(load("sdpa"))
    assert decoding.model.config._attn_implementation == "sdpa_grouped"
    ids, mask = _rows(decoding.vocabulary)
    expected = _whole_forward(load("eager"), ids, mask)
    for row, logits in _decoded(decoding, ids, mask, drop_at=50).items():
        first = PROMPT - PADDING[row] - 1
        torch.testing.assert_close(torch.stack(logits), expected[row][first : first + len(logits)], atol=1e-5, rtol=0)
        assert len(logits) == (DRAWN + 1 if row in (1, 3) else 50 - PROMPT)


def test_layers_that_forget_keep_their_own_cache() -> None:
    config = MistralConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=16,
    )
    torch.manual_seed(0)
    model = MistralForCausalLM(config).double()
    ids, mask = _rows(64)
    ids, mask = ids[[0, 3, 0, 3]], mask[[0, 3, 0, 3]]
    expected = _whole_forward(model.eval(), ids, mask)
    assert not any(isinstance(layer, RoomyLayer) for layer in roomy_cache(config).layers)
    decoded = _decoded(PretrainedModel(model), ids, mask, drop_at=50)
    for row, logits in decoded.items():
        torch.testing.assert_close(torch.stack(logits), expected[row][PROMPT - 1 :][: len(logits)], atol=1e-9, rtol=0)


def test_a_cache_with_room_holds_what_the_usual_one_holds() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = RoomyLayer(), DynamicLayer()
    for width in (3, 1, 70, 1, 1, 200, 1):
        keys, values = torch.randn(2, 4, 3, width, 8, generator=generator)
        for mine, other in zip(ours.update(keys[:4], values[:4]), theirs.update(keys[:4], values[:4]), strict=True):
            torch.testing.assert_close(mine, other, atol=0, rtol=0)
        assert ours.get_seq_length() == theirs.get_seq_length()
    for layer in (ours, theirs):
        layer.batch_select_indices(torch.tensor([2, 0]))
    more = torch.randn(2, 2, 3, 1, 8, generator=generator)
    for mine, other in zip(ours.update(*more), theirs.update(*more), strict=True):
        torch.testing.assert_close(mine, other, atol=0, rtol=0)
    assert isinstance(roomy_cache(MistralConfig(num_hidden_layers=1, sliding_window=None)), DynamicCache)
