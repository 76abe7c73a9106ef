"""How much of the processor the learner's update uses: model FLOPs over what a plain matrix product reaches.

On a GPU the model has the shape of Qwen2.5-1.5B in bfloat16, on a CPU four layers of 256 in float32, with random
weights. The limit is a large matrix product of this machine in the same type, measured in the same run. Recomputed
activations do not count as work (model FLOP utilisation, MFU).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from row import Row
from transformers import Qwen2Config, Qwen2ForCausalLM

from appo_agent.algorithms.losses import LossConfig
from appo_agent.batch import Batch, SampleKey
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig
from appo_agent.policies.pretrained.model import PretrainedModel

REPEATS = 5
QWEN_1_5B = Qwen2Config(
    vocab_size=151_936,
    hidden_size=1536,
    intermediate_size=8960,
    num_hidden_layers=28,
    num_attention_heads=12,
    num_key_value_heads=2,
    tie_word_embeddings=True,
)
LITTLE = Qwen2Config(
    vocab_size=320,
    hidden_size=256,
    intermediate_size=704,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    tie_word_embeddings=True,
)


def rows() -> list[Row]:
    """Tokens a second and utilisation of one update, and of scoring."""
    cuda = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if cuda else ("cpu", torch.float32)
    shape, name = (QWEN_1_5B, "1.5B") if cuda else (LITTLE, "4 layers of 256")
    count, length, side = (32, 1024, 8192) if cuda else (16, 256, 1024)
    model = PretrainedModel(
        Qwen2ForCausalLM(shape).to(device),  # pyright: ignore[reportArgumentType]
        compute_dtype=dtype,
        checkpoint_layers=cuda,
    )
    learner = InProcessLearner(model, OptimizerConfig(micro_batch_tokens=16_384), temperature=1.0, save=_nowhere)
    batch = _batch(count, length, shape.vocab_size)
    scored = replace(batch, old_logprobs=learner.score(batch).logprobs, advantages=torch.ones(count, length))
    limit = _limit(side, device, dtype)
    tokens, flops = count * length, _forward_flops(shape, length) * count * length
    update = _seconds(lambda: learner.update(scored, LossConfig()))
    score = _seconds(lambda: learner.score(batch))
    peer = f"{'bfloat16' if cuda else 'float32'} matrix product {limit / 1e9:,.0f} GFLOP/s"
    return [
        Row(f"update, {name}", tokens / update, "tokens/s", peer, 3 * flops / update / limit, ">= 0.4 on a GPU"),
        Row(f"scoring, {name}", tokens / score, "tokens/s", peer, flops / score / limit, ""),
    ]


def _batch(count: int, length: int, vocabulary: int) -> Batch:
    ids = torch.randint(3, vocabulary, (count, length), generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(count, length, dtype=torch.bool)
    own = everywhere.clone()
    own[:, : length // 8] = False
    return Batch(
        keys=tuple(SampleKey(row, "0") for row in range(count)),
        token_ids=ids,
        attention_mask=everywhere,
        action_mask=own,
        behavior_logprobs=torch.zeros(count, length),
        inherited=torch.zeros(count, dtype=torch.long),
    )


def _forward_flops(shape: Qwen2Config, length: int) -> float:
    """Of one token's forward: two for each weight of a matrix product, and causal attention over half the row."""
    hidden, heads = shape.hidden_size, shape.num_attention_heads
    keys = hidden // heads * (shape.num_key_value_heads or heads)
    layer = 2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * shape.intermediate_size
    weights = shape.num_hidden_layers * layer + hidden * shape.vocab_size
    return 2 * weights + shape.num_hidden_layers * 2 * 2 * hidden * length / 2


def _limit(side: int, device: str, dtype: torch.dtype) -> float:
    """FLOP/s of a square matrix product."""
    left, right = torch.randn(2, side, side, device=device, dtype=dtype)
    return 2 * side**3 / _seconds(lambda: left @ right)


def _seconds(work: Callable[[], object]) -> float:
    """The median of a few runs, after one that does not count."""
    took = []
    for _ in range(REPEATS + 1):
        _wait()
        begin = time.perf_counter()
        work()
        _wait()
        took.append(time.perf_counter() - begin)
    return statistics.median(took[1:])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _nowhere(_folder: Path) -> None:
    """Nothing is saved."""
