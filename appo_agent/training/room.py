"""Before anything is generated: do the prompts leave room for an answer?

Owns the limit that the settings set on an episode. What the model itself can read is checked where it is loaded; a
prompt that nobody looked at here ends its episode as truncated.
"""

from __future__ import annotations

from appo_agent.errors import ConfigError
from appo_agent.evaluation import EvaluationConfig
from appo_agent.training.build import Agent
from appo_agent.training.run import env_tasks
from appo_envs.tasks import GeneratedSplit

SAMPLE = 64
"""Prompts of a split that are looked at where tasks are generated: those have no end, and are all alike."""


def check_room(agent: Agent, evaluation: EvaluationConfig) -> int:
    """Refuse prompts that fill an episode.

    Args:
        agent: its environment's prompts are looked at, in tokens of its tokenizer.
        evaluation: which tasks the run uses besides all training tasks.

    Returns:
        Tokens of the longest prompt.

    Raises:
        ConfigError: one leaves no token for an answer; says which, and how long it is.
    """
    return max(_longest(agent, split, count) for split, count in _used(agent, evaluation).items())


def _used(agent: Agent, evaluation: EvaluationConfig) -> dict[str, int]:
    """How many tasks the run may use, the first ones of each split."""
    used = {"train": len(env_tasks(agent, "train"))}
    for split, count in (("validation", evaluation.validation_episodes), (evaluation.split, evaluation.episodes)):
        used[split] = max(used.get(split, 0), count)
    return {split: count for split, count in used.items() if count}


def _longest(agent: Agent, split: str, count: int) -> int:
    tasks = env_tasks(agent, split)
    looked_at = tasks[: min(count, SAMPLE) if isinstance(tasks, GeneratedSplit) else count]
    lengths = [len(prompt) for prompt in agent.prompts(looked_at)]
    longest, limit = max(lengths, default=0), agent.collector.config.max_rollout_tokens
    if longest >= limit:
        raise ConfigError(
            f"sampling.max_rollout_tokens: {sum(length >= limit for length in lengths)} of {len(lengths)} {split} "
            f"prompts fill an episode of {limit} tokens, the longest, of task {looked_at[lengths.index(longest)].id}, "
            f"has {longest}; raise it to more than that, and to what the answers take, or leave such tasks out"
        )
    return longest
