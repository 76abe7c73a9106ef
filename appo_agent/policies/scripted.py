"""A sampler whose turns are written down beforehand: for tests of rollouts, trees and trainers without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from appo_agent.policies.base import Completion, GenerationRequest, Tokenizer
from appo_agent.policies.request_queue import RequestQueue
from appo_agent.types import Generation, TokenSpan

Script = Callable[[GenerationRequest], str]
"""Text of the turn for a request; its prompt tokens say where the episode stands."""


class ScriptedSampler:
    """Answers every request with the text that a script gives for it, all tokens at the same log-prob.

    Args:
        script: what to say.
        tokenizer: encodes it.
        logprob: reported for every token, nats, at most 0.
        context: most tokens of prompt and turn.
    """

    def __init__(self, script: Script, tokenizer: Tokenizer, *, logprob: float = -0.5, context: int = 4096) -> None:
        self._script, self._tokenizer, self._logprob = script, tokenizer, logprob
        self._queue = RequestQueue(context, max_batch=1_000_000)
        self._version = 0
        self.requests: list[GenerationRequest] = []

    @property
    def version(self) -> int:
        """Version given last."""
        return self._version

    def set_weights(self, version: int, source: Mapping[str, Tensor]) -> None:
        """Take note of the version; the script needs no weights."""
        self._version = version

    def submit(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue requests and remember them in `requests`."""
        self.requests += requests
        self._queue.add(requests, self._version)

    def completed(self) -> list[Completion]:
        """Answer everything that is queued."""
        return [self._answer(request) for request in self._queue.next_wave()]

    def _answer(self, request: GenerationRequest) -> Completion:
        ids = self._tokenizer.encode(self._script(request))[: request.max_tokens]
        span = TokenSpan("policy", np.array(ids, np.int64), np.full(len(ids), self._logprob))
        reason = "length" if len(ids) == request.max_tokens else "stop"
        return Completion(request.id, Generation(span, reason, self._version))
