"""Checkpoints that every rank writes its own part of (torch DCP) and that any number of ranks can load.

Owns the folder's completeness and the layout of what is read. What the tensors mean belongs to the learner. DCP keeps
its index in a pickle: load only folders that a run of yours wrote.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from appo_agent.cluster.sharded import ShardedLearner
from appo_agent.errors import CheckpointError

_INDEX = ".metadata"
_VERSION = "version"
_SHARED_FOLDER = (
    "the driver and every rank of the learner must see the run's folder under the same name, as on a network file "
    "system; or keep the learner in the driver with cluster.learners 0"
)


def save_shards(learner: ShardedLearner, folder: Path) -> None:
    """Write the learner's state; every rank calls this. The folder is whole once its index is there.

    Raises:
        CheckpointError: the folder holds a checkpoint already.
    """
    # Every rank must have looked before one of them writes.
    if _agreed(is_whole(folder)):
        raise CheckpointError(f"{folder} holds a checkpoint already; write each into a folder of its own")
    state = {name: value.contiguous() for name, value in learner.shards().items()}
    state[_VERSION] = torch.tensor(learner.version)
    save(state, checkpoint_id=folder)


def load_shards(learner: ShardedLearner, folder: Path) -> None:
    """Bring the learner to a saved state; every rank calls this, and there may be more or fewer than those that wrote.

    Raises:
        CheckpointError: the folder holds no whole checkpoint, or one of another model.
    """
    if not is_whole(folder):
        raise CheckpointError(
            f"{folder} holds no whole checkpoint: {_INDEX}, which is written last, is missing; take an older one"
        )
    index = FileSystemReader(folder).read_metadata().state_dict_metadata
    state = {
        name: _room_for(learner, name, entry, folder)
        for name, entry in index.items()
        if isinstance(entry, TensorStorageMetadata)
    }
    missing = {f"policy.{name}" for name, _ in learner.model.named_parameters()} - state.keys()
    if missing:
        raise CheckpointError(f"{folder} lacks {len(missing)} weights of this model, such as {min(missing)}")
    load(state, checkpoint_id=folder)
    version = int(state.pop(_VERSION))
    learner.load_tensors(state, version)


def read_whole(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint put together, in one process that is no rank.

    Raises:
        CheckpointError: the folder holds no whole checkpoint.
    """
    require_every_part(folder)
    index = FileSystemReader(folder).read_metadata().state_dict_metadata
    state = {
        name: torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in index.items()
        if isinstance(entry, TensorStorageMetadata) and name != _VERSION
    }
    load(state, checkpoint_id=folder, no_dist=True)
    return state


def require_every_part(folder: Path) -> None:
    """See that the parts of all ranks are in a folder.

    Raises:
        CheckpointError: some are not.
    """
    if not is_whole(folder):
        raise CheckpointError(f"{folder} holds no whole checkpoint: {_INDEX} is missing; {_SHARED_FOLDER}")
    wanted = {str(part.relative_path) for part in FileSystemReader(folder).read_metadata().storage_data.values()}
    missing = sorted(name for name in wanted if not (folder / name).is_file())
    if missing:
        raise CheckpointError(f"{folder} lacks the part {missing[0]} of {len(wanted)} parts; {_SHARED_FOLDER}")


def is_whole(folder: Path) -> bool:
    """Whether all of a checkpoint was written."""
    return (folder / _INDEX).is_file()


def _agreed(found: bool) -> bool:
    """Whether any rank found it."""
    votes = torch.tensor(float(found))
    dist.all_reduce(votes)
    return bool(votes)


def _room_for(learner: ShardedLearner, name: str, entry: TensorStorageMetadata, folder: Path) -> Tensor:
    like = learner.layout(name)
    if like is None:
        return torch.empty(entry.size, dtype=entry.properties.dtype)
    if like.shape != entry.size:
        raise CheckpointError(
            f"{folder}: {name} has the shape {tuple(entry.size)}, this model wants {tuple(like.shape)}; load it with "
            "the settings of its run"
        )
    return torch.zeros_like(like.detach())
