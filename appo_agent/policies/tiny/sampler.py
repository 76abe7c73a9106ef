"""Batched generation for the tiny policy with a key-value cache that outlives the turn.

Owns the cached forward and the wave: all queued requests are prefilled together, then decoded in lock step until the
last one stops. The same requests in the same order give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from appo_agent.policies.base import Completion, GenerationRequest, StaleWeightsError
from appo_agent.policies.drawing import draw_tokens
from appo_agent.policies.noise import uniform_noise
from appo_agent.policies.request_queue import RequestQueue
from appo_agent.policies.tiny.kv_cache import KeyValueCache, share_prefixes, with_positions
from appo_agent.policies.tiny.model import RMS_EPS, TinyConfig, rotary_tables, rotate
from appo_agent.policies.tiny.tokenizer import WordTokenizer
from appo_agent.types import Generation, StopReason, TokenSpan

COMPACT_BELOW = 0.6
"""Rows still decoding, as a share of those computed, below which the finished ones are taken out of the batch."""


class LayerWeights(NamedTuple):
    """Parameters of one layer with the projections that read the same input fused."""

    norm_in: Tensor
    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    norm_mid: Tensor
    gate_up: Tensor
    down: Tensor


class Decoded(NamedTuple):
    """What a wave drew: (rows, steps) each; only the first `counts[row]` entries of a row are meant."""

    token_ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    counts: NDArray[np.int64]


class TinySampler:
    """Generates with the tiny policy.

    Args:
        config: sizes of the model.
        tokenizer: turns stop strings into ids; each must be one word.
        max_batch: most requests in a wave.
    """

    def __init__(self, config: TinyConfig, tokenizer: WordTokenizer, *, max_batch: int = 256) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._cos, self._sin = rotary_tables(config)
        heads = config.num_attention_heads
        self._cache = KeyValueCache(config.num_hidden_layers, heads, config.hidden_size // heads)
        self._queue = RequestQueue(config.max_position_embeddings, max_batch)
        self._version = -1

    @property
    def version(self) -> int:
        """Version of the weights in use; -1 before the first `set_weights`."""
        return self._version

    def set_weights(self, version: int, source: Mapping[str, Tensor]) -> None:
        """Copy the weights and drop every cached key and value."""
        if self._queue:
            raise StaleWeightsError(f"{len(self._queue)} requests wait for version {self._version}; finish them first")
        with torch.no_grad():
            self._embedding = source["model.embed_tokens.weight"].detach().clone()
            self._final_norm = source["model.norm.weight"].detach().clone()
            self._layers = [_fuse(source, f"model.layers.{i}.") for i in range(self._config.num_hidden_layers)]
        self._version = version
        self._cache.clear(version)

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue requests for the next wave."""
        self._queue.add(requests, self._version)

    def completed(self) -> list[Completion]:
        """Run one wave over the queue."""
        wave = self._queue.next_wave()
        if not wave:
            return []
        with torch.inference_mode():
            return self._wave(wave)

    def _wave(self, requests: list[GenerationRequest]) -> list[Completion]:
        hidden, cached = self._prefill([request.prompt_token_ids for request in requests])
        stops = {self._tokenizer.token_id(stop) for stop in requests[0].stop}
        decoded = self._decode(requests, hidden, stops | {self._tokenizer.eos_token_id})
        completions: list[Completion] = []
        held: list[NDArray[np.int64]] = []
        for row, request in enumerate(requests):
            count = decoded.counts[row]
            token_ids = decoded.token_ids[row, :count]
            span = TokenSpan("policy", token_ids, decoded.logprobs[row, :count])
            reason: StopReason = "length"
            if token_ids[-1] in stops:
                reason = "stop"
            elif token_ids[-1] == self._tokenizer.eos_token_id:
                reason = "eos"
            completions.append(Completion(request.id, Generation(span, reason, self._version, cached[row])))
            # The last token was drawn but never fed, so its keys and values are not there.
            held.append(np.concatenate([request.prompt_token_ids, token_ids[:-1]]))
        self._cache.remember(held)
        return completions

    def _prefill(self, prompts: list[NDArray[np.int64]]) -> tuple[Tensor, list[int]]:
        """Compute the keys and values of every prompt. Returns the last hidden states (R, D) and reused lengths."""
        found = [self._cache.find(prompt, self._version) for prompt in prompts]
        cached = [0 if hit is None else hit.length for hit in found]
        chunk = max(len(prompt) - length for prompt, length in zip(prompts, cached, strict=True))
        self._cache.select([None if hit is None else hit.row for hit in found], max(cached) + chunk)
        hidden = torch.empty(len(prompts), self._config.hidden_size)

        continued = [row for row, hit in enumerate(found) if hit is not None]
        if continued:
            tails = [prompts[row][cached[row] :] for row in continued]
            starts = torch.tensor([cached[row] for row in continued])
            hidden[continued] = self._extend(continued, tails, starts)

        fresh = [row for row, hit in enumerate(found) if hit is None]
        if fresh:
            shared = share_prefixes([prompts[row] for row in fresh])
            computed = [fresh[index] for index in shared.computed]
            ids = _pad([prompts[row] for row in computed])
            states = self._extend_all(computed, ids, torch.zeros(len(computed), dtype=torch.long))
            for row, source in zip(fresh, shared.source, strict=True):
                hidden[row] = states[source, len(prompts[row]) - 1]
                if row != computed[source]:
                    self._cache.kv[:, :, row] = self._cache.kv[:, :, computed[source]]
                    cached[row] = len(prompts[row])
        return hidden, cached

    def _extend(self, rows: list[int], tails: list[NDArray[np.int64]], starts: Tensor) -> Tensor:
        states = self._extend_all(rows, _pad(tails), starts)
        return states[torch.arange(len(rows)), torch.tensor([len(tail) - 1 for tail in tails])]

    def _extend_all(self, rows: list[int], ids: Tensor, starts: Tensor) -> Tensor:
        """Hidden states (R, S, D) of ids (R, S) that continue cache rows at `starts`; fills their keys and values."""
        positions = starts[:, None] + torch.arange(ids.shape[1])
        kv = self._cache.kv
        if rows == list(range(kv.shape[2])):
            return self._forward(ids, positions, kv)
        part = kv[:, :, rows]
        states = self._forward(ids, positions, part)
        kv[:, :, rows] = part
        return states

    def _decode(self, requests: list[GenerationRequest], hidden: Tensor, stops: set[int]) -> Decoded:
        limits = torch.tensor([request.max_tokens for request in requests])
        lengths = torch.tensor([len(request.prompt_token_ids) for request in requests])
        steps, temperature = int(limits.max()), requests[0].temperature
        noise = torch.from_numpy(uniform_noise([request.seed for request in requests], steps))
        stop_table = torch.zeros(self._embedding.shape[0], dtype=torch.bool)
        stop_table[list(stops)] = True
        token_ids = torch.zeros(len(requests), steps, dtype=torch.long)
        logprobs = torch.zeros(len(requests), steps)
        counts = torch.zeros(len(requests), dtype=torch.long)
        active = torch.arange(len(requests))
        alive = torch.ones(len(requests), dtype=torch.bool)
        kv = self._cache.kv
        for step in range(steps):
            logits = F.linear(hidden, self._embedding)
            drawn, logprobs[active, step] = draw_tokens(logits, noise[active, step], temperature)
            token_ids[active, step] = drawn
            counts[active[alive]] += 1
            alive = alive & ~stop_table[drawn] & (limits[active] > step + 1)
            remaining = int(alive.sum())
            if remaining == 0:
                break
            if remaining < COMPACT_BELOW * len(active):
                self._write_back(kv, active)
                active, drawn = active[alive], drawn[alive]
                kv, alive = self._cache.kv[:, :, active], alive[alive]
            positions = lengths[active] + step
            # Finished rows still ride along until the batch is compacted, beyond what they hold: a place that they do
            # hold would be overwritten. At the end of the context it is, and nothing can continue such a row.
            positions = torch.where(alive, positions, positions.clamp(max=self._config.max_position_embeddings - 1))
            needed = int(positions.max()) + 1
            if needed > kv.shape[4]:
                kv = self._grow(kv, needed)
            hidden = self._forward(drawn[:, None], positions[:, None], kv)[:, 0]
        self._write_back(kv, active)
        return Decoded(token_ids.numpy(), logprobs.numpy(), counts.numpy())

    def _grow(self, kv: Tensor, positions: int) -> Tensor:
        whole = kv is self._cache.kv
        self._cache.reserve(positions)
        return self._cache.kv if whole else with_positions(kv, positions)

    def _write_back(self, kv: Tensor, active: Tensor) -> None:
        if kv is not self._cache.kv:
            self._cache.kv[:, :, active, :, : kv.shape[4]] = kv

    def _forward(self, ids: Tensor, positions: Tensor, kv: Tensor) -> Tensor:
        """Hidden states (R, S, D) of ids at positions (R, S); writes their keys and values into kv."""
        rows, width = ids.shape
        heads = self._config.num_attention_heads
        visible = int(positions.max()) + 1
        mask = (torch.arange(visible) <= positions[..., None])[:, None]
        cos, sin = self._cos[positions][:, :, None], self._sin[positions][:, :, None]
        row_index = torch.arange(rows)[:, None]
        x = F.embedding(ids, self._embedding)
        size = x.shape[-1]
        for layer, (keys, values) in zip(self._layers, kv, strict=True):
            normed = F.rms_norm(x, (size,), layer.norm_in, RMS_EPS)
            qkv = F.linear(normed, layer.qkv, layer.qkv_bias).view(rows, width, 3, heads, -1)
            query, key, value = qkv.unbind(2)
            keys[row_index, :, positions] = rotate(key, cos, sin)
            values[row_index, :, positions] = value
            attended = F.scaled_dot_product_attention(
                rotate(query, cos, sin).transpose(1, 2),
                keys[:, :, :visible],
                values[:, :, :visible],
                attn_mask=mask,
            )
            x = x + F.linear(attended.transpose(1, 2).reshape(rows, width, size), layer.out)
            gate, up = F.linear(F.rms_norm(x, (size,), layer.norm_mid, RMS_EPS), layer.gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer.down)
        return F.rms_norm(x, (size,), self._final_norm, RMS_EPS)


def _fuse(source: Mapping[str, Tensor], prefix: str) -> LayerWeights:
    def part(name: str) -> Tensor:
        return source[prefix + name].detach()

    projections = ("q_proj", "k_proj", "v_proj")
    return LayerWeights(
        norm_in=part("input_layernorm.weight").clone(),
        qkv=torch.cat([part(f"self_attn.{name}.weight") for name in projections]),
        qkv_bias=torch.cat([part(f"self_attn.{name}.bias") for name in projections]),
        out=part("self_attn.o_proj.weight").clone(),
        norm_mid=part("post_attention_layernorm.weight").clone(),
        gate_up=torch.cat([part("mlp.gate_proj.weight"), part("mlp.up_proj.weight")]),
        down=part("mlp.down_proj.weight").clone(),
    )


def _pad(sequences: list[NDArray[np.int64]]) -> Tensor:
    """(R, S) ids, padded on the right with 0; what stands at padding is never visible to a real token."""
    padded = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = sequence
    return torch.from_numpy(padded)
