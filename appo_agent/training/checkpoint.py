"""Checkpoints that are either whole or not there, and optimizer state as named tensors.

A checkpoint is a directory `step_<number>` of three files: `tensors.safetensors`, `state.json` and
`manifest.json` with the size and SHA-256 of the others. A learner that is spread over processes writes its tensors
itself, into the folder `shards`; that part is torch DCP's format (see `cluster.sharded_checkpoint`), everything else
is free of pickles. What the tensors and the state mean belongs to the caller.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from appo_agent.errors import CheckpointError
from appo_agent.whole_folder import ASIDE, replace_folder, sync

CHECKPOINT_VERSION = 1
"""Layout of the directory; other versions are refused."""

_TENSORS, _STATE, _MANIFEST, _SHARDS = "tensors.safetensors", "state.json", "manifest.json", "shards"


@runtime_checkable
class Sharded(Protocol):
    """A learner whose state lies in several processes, each of which writes and reads its own part."""

    def save_shards(self, folder: Path) -> None:
        """Write all parts."""
        ...

    def load_shards(self, folder: Path) -> None:
        """Restore what any number of processes wrote."""
        ...


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: by name, on the CPU, in the dtype they were saved in.
        state: the JSON-able mapping that was saved; its tuples have become lists.
        shards: folder of the tensors that were left in parts, if there are any.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    shards: Path | None = None


def save_checkpoint(
    directory: Path,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Any],
    keep: int = 2,
    save_shards: Callable[[Path], None] | None = None,
) -> None:
    """Write a checkpoint so that a crash at any moment leaves either all of it or none of it under its name.

    Sibling checkpoints of later steps are removed: they belong to a future that a resume has abandoned.

    Args:
        directory: `.../checkpoints/step_000010`; the number orders checkpoints.
        tensors: any dtype and device; tensors that share memory are stored twice.
        state: JSON-able.
        keep: how many checkpoints stay, this one included, at least 1.
        save_shards: writes further tensors into a folder, in parts.

    Raises:
        CheckpointError: the disk refused; nothing is left under the name.
        ValueError: `keep` is below 1 or the directory is not named `step_<number>`.
    """
    if keep < 1:
        raise ValueError(f"keep must be at least 1, got {keep}")
    _step_of(directory)
    partial = directory.with_name(f".{directory.name}.partial")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        if save_shards is not None:
            save_shards(partial / _SHARDS)
        _write_files(partial, tensors, state)
        replace_folder(partial, directory)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(f"cannot write checkpoint {directory}: {error.strerror or error}") from error
    _prune(directory, keep)


def load_checkpoint(directory: Path, *, keep_shards: bool = False) -> Checkpoint:
    """Read a checkpoint after checking every byte of it.

    Args:
        directory: of the checkpoint.
        keep_shards: leave tensors that were written in parts where they are; otherwise they are put together.

    Raises:
        CheckpointError: missing, truncated or altered; says which file, what was expected, what was found,
            and which older checkpoint is intact.
    """
    try:
        _verify(directory)
    except CheckpointError as error:
        older = _newest_intact(directory)
        advice = f"; {older} is intact" if older else "; no older checkpoint is intact"
        raise CheckpointError(f"{error}{advice}") from error
    state = json.loads((directory / _STATE).read_text(encoding="utf-8"))
    tensors, shards = load_file(directory / _TENSORS), directory / _SHARDS
    if not shards.is_dir():
        return Checkpoint(tensors, state)
    if keep_shards:
        return Checkpoint(tensors, state, shards)
    from appo_agent.cluster.sharded_checkpoint import read_whole

    return Checkpoint(tensors | read_whole(shards), state)


def latest_checkpoint(checkpoints: Path) -> Path | None:
    """The checkpoint of the highest step in a run's `checkpoints` folder, or None. It is not verified.

    A checkpoint that a crash left moved aside while it was being replaced is moved back first.
    """
    for aside in checkpoints.glob(f".step_*{ASIDE}"):
        target = aside.with_name(aside.name.removeprefix(".").removesuffix(ASIDE))
        if not target.exists():
            aside.rename(target)
    found = _checkpoints_in(checkpoints)
    return found[-1] if found else None


def flatten_optimizer(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """An optimizer's whole state as named tensors; `restore_optimizer` is the exact inverse.

    Args:
        optimizer: AdamW, Muon or any other whose state is tensors and JSON-able numbers.
        prefix: put before each name, with its separator, such as "optimizer.".

    Returns:
        `<prefix>state.<parameter>.<name>` for each state tensor (views, not copies) and `<prefix>json` for
        the rest: JSON text as a uint8 tensor, in which every float reads back exactly.
    """
    saved = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, object]] = {}
    for index, entries in saved["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}state.{index}.{name}"] = value.detach()
            else:
                numbers.setdefault(str(index), {})[name] = value
    rest = {"groups": saved["param_groups"], "numbers": numbers, "shapes": _shapes(optimizer)}
    tensors[f"{prefix}json"] = torch.tensor(list(json.dumps(rest).encode()), dtype=torch.uint8)
    return tensors


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Put an optimizer into the state that `flatten_optimizer` described. The tensors are copied.

    Raises:
        CheckpointError: no state under this prefix, or it belongs to parameters of other shapes.
    """
    encoded = tensors.get(f"{prefix}json")
    if encoded is None:
        raise CheckpointError(f"no optimizer state under {prefix!r} among {len(tensors)} tensors")
    rest = json.loads(bytes(encoded.tolist()))
    if rest["shapes"] != _shapes(optimizer):
        raise CheckpointError(
            f"optimizer state {prefix!r} is for parameters of shapes {rest['shapes']}, "
            f"this optimizer has {_shapes(optimizer)}; resume with the settings of the run"
        )
    state: dict[int, dict[str, object]] = {int(key): dict(value) for key, value in rest["numbers"].items()}
    for key, value in tensors.items():
        if key.startswith(f"{prefix}state."):
            index, _, name = key.removeprefix(f"{prefix}state.").partition(".")
            state.setdefault(int(index), {})[name] = value.detach().clone()
    groups = [
        {name: tuple(value) if isinstance(group.get(name), tuple) else value for name, value in saved.items()}
        for saved, group in zip(rest["groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _shapes(optimizer: torch.optim.Optimizer) -> list[list[list[int]]]:
    return [[list(parameter.shape) for parameter in group["params"]] for group in optimizer.param_groups]


def _write_files(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    save_file(_unshared(tensors), folder / _TENSORS)
    (folder / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): {"bytes": _size(path), "sha256": _sha256(path)} for path in paths}
    manifest = {"version": CHECKPOINT_VERSION, "files": files}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in [*paths, folder / _MANIFEST, folder]:
        sync(path)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU tensors, none of which shares memory with another: safetensors refuses those that do."""
    result: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        storage = plain.untyped_storage().data_ptr()
        result[name] = plain.clone() if storage in seen else plain
        seen.add(storage)
    return result


def _prune(newest: Path, keep: int) -> None:
    siblings = _checkpoints_in(newest.parent)
    position = siblings.index(newest)
    for stale in siblings[: max(0, position + 1 - keep)] + siblings[position + 1 :]:
        shutil.rmtree(stale)


def _verify(directory: Path) -> None:
    if not directory.is_dir():
        raise CheckpointError(f"no checkpoint at {directory}")
    path = directory / _MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["version"]
        expected = {name: manifest["files"][name] for name in (_TENSORS, _STATE)} | manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: expected a manifest, found {type(error).__name__}: {error}") from error
    if version != CHECKPOINT_VERSION:
        raise CheckpointError(f"{path}: expected layout version {CHECKPOINT_VERSION}, found {version!r}")
    for name, facts in expected.items():
        _verify_file(directory / name, facts)


def _verify_file(path: Path, facts: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path}: expected {facts['bytes']} bytes, found no file")
    if _size(path) != facts["bytes"]:
        raise CheckpointError(f"{path}: expected {facts['bytes']} bytes, found {_size(path)}")
    found = _sha256(path)
    if found != facts["sha256"]:
        raise CheckpointError(f"{path}: expected SHA-256 {facts['sha256']}, found {found}")


def _newest_intact(damaged: Path) -> Path | None:
    for candidate in reversed(_checkpoints_in(damaged.parent)):
        if _step_of(candidate) < _step_of(damaged):
            try:
                _verify(candidate)
            except CheckpointError:
                continue
            return candidate
    return None


def _checkpoints_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_[0-9]*"), key=_step_of)


def _step_of(directory: Path) -> int:
    prefix, _, number = directory.name.partition("_")
    if prefix != "step" or not number.isdecimal():
        raise ValueError(f"a checkpoint is named step_<number>, got {directory}")
    return int(number)


def _size(path: Path) -> int:
    return path.stat().st_size


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
