"""Before anything is generated: do the prompts leave room for an answer?

Owns the limit that the settings set on an episode. What the model itself can read is checked where it is loaded.
"""

from __future__ import annotations

from appo_agent.errors import ConfigError
from appo_agent.training.build import Agent

PROMPTS = 64
"""Prompts of the training split that are looked at."""


def check_room(agent: Agent) -> int:
    """Refuse prompts that fill an episode.

    Args:
        agent: its environment's first training prompts are looked at, in tokens of its tokenizer.

    Returns:
        Tokens of the longest of them.

    Raises:
        ConfigError: one leaves no token for an answer; says how long it is.
    """
    limit = agent.collector.config.max_rollout_tokens
    lengths = [len(prompt) for prompt in agent.prompts("train", PROMPTS)]
    longest = max(lengths, default=0)
    if longest >= limit:
        raise ConfigError(
            f"sampling.max_rollout_tokens: {sum(length >= limit for length in lengths)} of the first {len(lengths)} "
            f"training prompts fill an episode of {limit} tokens, the longest has {longest}; raise it to more than "
            "that, and to what the answers take"
        )
    return longest
