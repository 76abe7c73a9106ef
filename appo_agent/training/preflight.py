"""What an environment must have for a run, asked before anything is made or loaded.

Owns these questions and the words of their answers. Whether settings fit each other is decided by the settings
themselves.
"""

from __future__ import annotations

import numpy as np

from appo_agent.errors import ConfigError
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.build import env_maker
from appo_agent.training.config import TINY, TrainConfig
from appo_agent.training.contamination import EvaluationIndex
from appo_envs.tasks import TaskSource
from appo_envs.tasks.source import GeneratedSplit


def check_environment(config: TrainConfig) -> None:
    """Make the run's environment once and see that it has what the run will ask of it.

    Raises:
        ConfigError: the id or the options are wrong; it is no environment of ours; or its tasks lack a split, words for
            the bundled policy, or a demonstrator for the cold start; or training tasks are evaluation items.
    """
    env = env_maker(config.env, config.env_options)()
    try:
        source = tool_env(env).task_source
    except ValueError as error:
        raise ConfigError(f"env: {error}") from error
    finally:
        env.close()
    _check_words(config, source)
    _check_splits(config, source)
    _check_demonstrator(config, source)
    _check_contamination(config, source)


def _check_words(config: TrainConfig, source: TaskSource) -> None:
    if config.model == TINY and not source.vocabulary:
        raise ConfigError(
            f"model: the bundled policy knows only words that the tasks name, and those of {config.env} are free text; "
            "take a pretrained model, such as --model Qwen/Qwen2.5-1.5B-Instruct, or write a task source with a "
            "vocabulary (docs/write_a_task_source.md)"
        )


def _check_splits(config: TrainConfig, source: TaskSource) -> None:
    evaluation = config.evaluation
    wanted = {"train": "training", evaluation.split: "evaluation.split"}
    if evaluation.validation_episodes:
        wanted["validation"] = "evaluation.validation_episodes"
    for split, reason in wanted.items():
        if split not in source.splits:
            raise ConfigError(
                f"env: {config.env} has no split {split!r}, which {reason} needs; there are "
                f"{', '.join(source.splits)}. Give tasks for it, or choose another with --evaluation.split and "
                "--evaluation.validation-episodes 0"
            )


def _check_demonstrator(config: TrainConfig, source: TaskSource) -> None:
    if not config.cold_start.steps or config.cold_start.data:
        return
    try:
        source.expert(source.split("train")[0], np.random.default_rng(0))
    except ValueError as error:
        raise ConfigError(
            f"cold_start.steps: nobody demonstrates {config.env} ({error}); go without with --cold-start.steps 0, or "
            "imitate conversations with --cold-start.data FILE.jsonl"
        ) from error


def _check_contamination(config: TrainConfig, source: TaskSource) -> None:
    tasks = source.split("train")
    # Generated tasks are nobody's evaluation items, and have no end.
    if config.evaluation_items and not isinstance(tasks, GeneratedSplit):
        EvaluationIndex.open(config.evaluation_items).refuse(tasks)
