"""Any causal language model of transformers behind the two protocols.

Owns loading, the tokenizer's adaptation and a plain batched sampler: the reference that faster engines are compared
with. It computes each prompt afresh; engines that reuse prefixes come as samplers of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from appo_agent.policies.base import Completion, GenerationRequest, StaleWeightsError
from appo_agent.policies.drawing import draw_tokens
from appo_agent.policies.noise import uniform_noise
from appo_agent.policies.request_queue import RequestQueue
from appo_agent.types import Generation, StopReason, TokenSpan


class TransformersModel:
    """A transformers model as the learner sees it.

    Args:
        model: any causal language model with a separate head, such as Qwen2ForCausalLM.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model

    def hidden_states(self, token_ids: Tensor) -> Tensor:
        """(B, T) right-padded ids to (B, T, D). Attention is causal, so padding on the right is never seen."""
        return self.model.base_model(input_ids=token_ids, use_cache=False).last_hidden_state

    def project(self, hidden: Tensor) -> Tensor:
        """(..., D) to logits (..., V)."""
        head = self.model.get_output_embeddings()
        if head is None:
            raise ValueError(f"{type(self.model).__name__} has no output head; load a causal language model")
        return head(hidden)

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters, tied ones once."""
        return self.model.named_parameters()


class TransformersTokenizer:
    """A transformers tokenizer as rollouts see it."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no eos token; generation could never end")
        self._tokenizer = tokenizer
        self.eos_token_id = int(str(tokenizer.eos_token_id))

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; special tokens spelled out in it are split like any other text."""
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of these ids, exactly as written."""
        text = self._tokenizer.decode(list(token_ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return str(text)

    def prompt(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Ids of the conversation through the model's chat template."""
        conversation = [dict(message) for message in messages]
        text = self._tokenizer.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
        # The template spells special tokens out, and here, alone, they are meant.
        return self._tokenizer.encode(str(text), add_special_tokens=False)


class TransformersSampler:
    """Generates with the model's own forward and key-value cache, one wave at a time.

    Args:
        model: shares its weights with the learner, so `set_weights` only takes note of the version.
        tokenizer: finds stop strings in decoded text.
        max_batch: most requests in a wave.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: TransformersTokenizer, *, max_batch: int = 64) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._queue = RequestQueue(model.config.max_position_embeddings, max_batch)
        self._version = -1

    @property
    def version(self) -> int:
        """Version of the weights in use; -1 before the first `set_weights`."""
        return self._version

    def set_weights(self, version: int, source: Mapping[str, Tensor]) -> None:
        """Copy weights that are not already this model's own."""
        if len(self._queue):
            raise StaleWeightsError(f"{len(self._queue)} requests wait for version {self._version}; finish them first")
        with torch.no_grad():
            for name, parameter in self._model.named_parameters():
                if parameter.data_ptr() != source[name].data_ptr():
                    parameter.copy_(source[name])
        self._version = version

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue requests for the next wave."""
        self._queue.add(requests, self._version)

    @torch.inference_mode()
    def completed(self) -> list[Completion]:
        """Run one wave over the queue."""
        requests = self._queue.next_wave()
        if not requests:
            return []
        steps = max(request.max_tokens for request in requests)
        noise = torch.from_numpy(uniform_noise([request.seed for request in requests], steps))
        mask = _left_padded([np.ones(len(request.prompt_token_ids), np.int64) for request in requests])
        ids = _left_padded([request.prompt_token_ids for request in requests])
        cache = None
        tokens: list[list[int]] = [[] for _ in requests]
        logprobs: list[list[float]] = [[] for _ in requests]
        reasons: list[StopReason | None] = [None] * len(requests)
        for step in range(steps):
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            output = self._model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
            )
            cache = output.past_key_values
            drawn = draw_tokens(output.logits[:, -1], noise[:, step], requests[0].temperature)
            for row, request in enumerate(requests):
                if reasons[row] is None:
                    tokens[row].append(int(drawn.token_ids[row]))
                    logprobs[row].append(float(drawn.logprobs[row]))
                    reasons[row] = self._stop_reason(tokens[row], request)
            if all(reasons):
                break
            ids = drawn.token_ids[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], 1)
        return [
            Completion(
                request.id,
                Generation(
                    TokenSpan("policy", np.array(tokens[row]), np.array(logprobs[row])),
                    reasons[row] or "length",
                    self._version,
                ),
            )
            for row, request in enumerate(requests)
        ]

    def _stop_reason(self, tokens: list[int], request: GenerationRequest) -> StopReason | None:
        if tokens[-1] == self._tokenizer.eos_token_id:
            return "eos"
        text = self._tokenizer.decode(tokens)
        if any(stop in text for stop in request.stop):
            return "stop"
        return "length" if len(tokens) >= request.max_tokens else None


def _left_padded(rows: Sequence[NDArray[np.int64]]) -> Tensor:
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, padded.shape[1] - len(row) :] = row
    return torch.from_numpy(padded)
