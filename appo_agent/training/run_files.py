"""What a run leaves on disk besides checkpoints and metrics.

Tree records, transcripts, the learning curve, and dumps of refused steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from appo_agent.disk import writing
from appo_agent.policies.base import Tokenizer
from appo_agent.report.curve import HeldOutPoint, plot_learning_curve
from appo_agent.training.checkpoint import save_checkpoint
from appo_agent.training.credit import Scored
from appo_agent.training.metrics import MetricsLog
from appo_agent.training.record import TokenArrays, TreeRecord, record_tree
from appo_agent.training.record_file import write_records
from appo_agent.training.run_dir import RunDir
from appo_agent.training.trainer import StepResult
from appo_envs import Task

TRANSCRIPTS_A_STEP = 4
LAST_TOKENS = 200
"""Of a turn that `last_words` decodes."""


def write_step_records(directory: RunDir, step: int, result: StepResult, tokenizer: Tokenizer) -> None:
    """Write every tree of a step as a record, and the first ones as text.

    Raises:
        RunError: the disk refused.
    """
    arrays: defaultdict[int, dict[str, TokenArrays]] = defaultdict(dict)
    for part in result.scored:
        for row, key in enumerate(part.batch.keys):
            own = result.trees[key.tree].rollout(key.rollout).own_policy_tokens
            arrays[key.tree][key.rollout] = token_arrays(part, row, own)
    records = [record_tree(tree, tokenizer.decode, arrays[index]) for index, tree in enumerate(result.trees)]
    write_records(directory.record(step), records)
    text = "\n\n".join(transcript(record) for record in records[:TRANSCRIPTS_A_STEP])
    path = directory.transcripts / f"step_{step:06d}.txt"
    with writing(path):
        path.write_text(text + "\n", encoding="utf-8")


def token_arrays(part: Scored, row: int, own_tokens: int) -> TokenArrays:
    """What the trainer knows about the own policy tokens of one row's rollout, the last ones of the row."""
    mask = part.batch.action_mask[row]

    def own(values: Tensor | None) -> np.ndarray | None:
        return None if values is None else values[row][mask][-own_tokens:].float().numpy()

    return TokenArrays(
        entropies=own(part.scores.entropies),
        omega=own(part.log_omega.exp()),
        branching_scores=own(part.branching_scores),
        advantages=own(part.batch.advantages),
        old_logprobs=own(part.batch.old_logprobs),
        policy_logprobs=own(part.scores.logprobs),
    )


def transcript(record: TreeRecord) -> str:
    """A tree as a person reads it: the prompt, then each rollout with its reward."""
    lines = [f"task {record.task_id}", f"  {record.prompt.text}"]
    for rollout in record.rollouts:
        origin = rollout.origin
        left = "" if origin is None else f", leaves {origin.parent} at turn {origin.turn}, token {origin.token}"
        lines.append(f"  rollout {rollout.id}: reward {rollout.reward:+.2f}{left}")
        for turn in rollout.turns:
            lines += [f"    > {turn.action.text}", f"    < {turn.observation.text}"]
    return "\n".join(lines)


def last_words(result: StepResult, tokenizer: Tokenizer) -> str:
    """What the policy wrote at the end of the step's last prompt; "" where it wrote nothing."""
    turns = [turn for tree in result.trees for rollout in tree for turn in rollout.turns if len(turn.action)]
    return tokenizer.decode(turns[-1].action.token_ids[-LAST_TOKENS:].tolist()) if turns else ""


def dump_step(directory: RunDir, step: int, tasks: Sequence[Task], tensors: Mapping[str, Tensor]) -> None:
    """Keep the weights and task ids of a step whose update was refused, for a post-mortem."""
    folder = directory.path / "refused" / f"step_{step:06d}"
    save_checkpoint(folder, tensors, {"step": step, "tasks": [task.id for task in tasks]})


def write_curve(directory: RunDir, log: MetricsLog, title: str, held_out: Sequence[HeldOutPoint]) -> None:
    """Draw the run's learning curve.

    Raises:
        RunError: the disk refused.
    """
    with writing(directory.learning_curve):
        plot_learning_curve(log.read(), directory.learning_curve, held_out, title)
