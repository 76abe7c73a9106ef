"""Before training: do sampler and learner mean the same by a token's probability?

Two engines that disagree train a policy on ratios that are noise, without any error. So a run begins by drawing a few
turns and scoring them, on whatever hardware it has, and refuses to go on above a threshold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from appo_agent.batch import Batch, Sample, SampleKey
from appo_agent.errors import RunError
from appo_agent.policies.base import Completion, GenerationRequest
from appo_agent.training.build import Agent
from appo_agent.training.run import env_tasks
from appo_envs.seeding import derive_seed

PROMPTS = 8
TOKENS = 32
LARGEST_MEAN = {"float32": 2e-3, "bfloat16": 0.1}
"""Mean absolute differences, nats, above which a run is refused. Measured in float32: 1e-6 to 1e-5; a stale output
head, a wrong temperature or a shifted list of log-probs gives 0.1 to 10."""


class Agreement(NamedTuple):
    """Absolute differences between the sampler's and the learner's log-probs, nats, over `tokens` tokens."""

    mean: float
    largest: float
    tokens: int


def check_agreement(agent: Agent, seed: int, dtype: str) -> Agreement:
    """Draw turns from training prompts and score them.

    Args:
        agent: holds equal weights in sampler and learner.
        seed: of the run.
        dtype: precision of the model, "float32" or "bfloat16", which decides the threshold.

    Raises:
        RunError: they disagree.
    """
    requests = _requests(agent, seed)
    agent.sampler.submit(requests)
    done: dict[str, Completion] = {}
    while len(done) < len(requests):
        done |= {completion.request_id: completion for completion in agent.sampler.completed()}
    batch = Batch.from_samples([_sample(place, request, done[request.id]) for place, request in enumerate(requests)])
    scored = agent.learner.score(batch).logprobs[batch.action_mask]
    differences = (scored - batch.behavior_logprobs[batch.action_mask]).abs()
    found = Agreement(float(differences.mean()), float(differences.max()), len(differences))
    limit = LARGEST_MEAN[dtype]
    if not found.mean <= limit:
        raise RunError(
            f"sampler and learner disagree about the log-probs of {found.tokens} tokens by {found.mean:.2g} nats on "
            f"average, at most {limit:g} is allowed: training on them would follow noise. `appo doctor` says which "
            "samplers work here; `--sampler transformers` shares the learner's model"
        )
    return found


def _requests(agent: Agent, seed: int) -> list[GenerationRequest]:
    config = agent.collector.config
    tasks = env_tasks(agent, "train")
    return [
        GenerationRequest(
            id=f"probe/{place}",
            prompt_token_ids=np.array(prompt, np.int64),
            seed=derive_seed(seed, "probe", place),
            max_tokens=max(1, min(TOKENS, config.max_turn_tokens, config.max_rollout_tokens - len(prompt))),
            temperature=config.temperature,
            stop=(),
            version=agent.sampler.version,
        )
        for place, prompt in enumerate(agent.prompts(tasks[:PROMPTS]))
    ]


def _sample(place: int, request: GenerationRequest, completion: Completion) -> Sample:
    span, prompt = completion.generation.span, request.prompt_token_ids
    if span.behavior_logprobs is None:
        raise RunError(f"the sampler gave no log-probs for {request.id}")
    own = np.repeat([False, True], [len(prompt), len(span)])
    logprobs = np.concatenate([np.zeros(len(prompt), np.float32), span.behavior_logprobs])
    return Sample(SampleKey(place, "0"), np.concatenate([prompt, span.token_ids]), own, logprobs, 0)
