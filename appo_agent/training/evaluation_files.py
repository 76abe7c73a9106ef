"""What `appo eval` leaves in a run: its figures, and every episode as a record.

    records/evaluation_NAME.msgpack     one tree an item, for the viewer
    records/evaluation_NAME.json        the figures

Owns the names and the figures' form; the trees are `record_file`'s. An evaluation of a name that exists replaces it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict

from appo_agent.disk import writing
from appo_agent.errors import ConfigError, RunError
from appo_agent.evaluation import EvaluationResult
from appo_agent.policies.base import Tokenizer
from appo_agent.training.record import record_tree
from appo_agent.training.record_file import write_records
from appo_agent.training.run_dir import RunDir
from appo_agent.types import RolloutTree

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


def check_evaluation_name(name: str) -> None:
    """Refuse a name that is not one of a file everywhere.

    Raises:
        ConfigError: it has other characters than letters, digits, dots, dashes and underscores, or is too long.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(
            f"--name must be up to 100 letters, digits, dots, dashes and underscores, the first a letter or digit, "
            f"got {name!r}"
        )


def write_evaluation(
    directory: RunDir,
    name: str,
    *,
    split: str,
    seed: int,
    result: EvaluationResult,
    trees: Sequence[RolloutTree],
    tokenizer: Tokenizer,
) -> None:
    """Keep an evaluation; each file appears under its name only when it is whole.

    Args:
        directory: the run.
        name: of the evaluation, see `check_evaluation_name`.
        split: which tasks were played.
        seed: of the sampling noise.
        result: what was found.
        trees: the episodes.
        tokenizer: turns their tokens into text.

    Raises:
        RunError: the disk refused.
    """
    figures = {"name": name, "split": split, "seed": seed, **asdict(result)}
    path = directory.evaluation_figures(name)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with writing(directory.records):
            directory.records.mkdir(exist_ok=True)
            write_records(directory.evaluation(name), [record_tree(tree, tokenizer.decode) for tree in trees])
            partial.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
            os.replace(partial, path)
    except RunError as error:
        raise RunError(f"{error}; --no-record keeps nothing") from error
