"""Checkpoints: whole or absent, verified when read, and optimizers that continue bit for bit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from appo_agent.errors import CheckpointError
from appo_agent.training import checkpoint as module
from appo_agent.training.checkpoint import (
    flatten_optimizer,
    latest_checkpoint,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
)


def _tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 4, generator=generator)
    return {
        "weight": weight,
        "tied": weight,
        "turned": weight.T,
        "half": weight.to(torch.bfloat16),
        "step": torch.tensor(7.0),
        "ids": torch.tensor([2**40, -1]),
        "mask": torch.tensor([True, False]),
        "empty": torch.zeros(0, 2),
    }


def _save(folder: Path, step: int, keep: int = 10) -> Path:
    directory = folder / f"step_{step:06d}"
    save_checkpoint(directory, {"w": torch.full((4,), float(step))}, {"step": step}, keep=keep)
    return directory


def test_checkpoint_round_trip_is_exact(tmp_path: Path) -> None:
    state = {"step": 3, "seconds": 0.1 + 0.2, "name": "ü", "nested": {"list": [1, None, True]}}
    save_checkpoint(tmp_path / "checkpoints" / "step_000003", _tensors(), state)
    loaded = load_checkpoint(tmp_path / "checkpoints" / "step_000003")
    assert loaded.state == state
    assert loaded.tensors.keys() == _tensors().keys()
    for name, tensor in _tensors().items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert torch.equal(loaded.tensors[name], tensor)


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10, 11):
        _save(tmp_path, step, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_000010", "step_000011"]


def test_checkpoints_of_an_abandoned_future_are_removed(tmp_path: Path) -> None:
    for step in (1, 5, 9):
        _save(tmp_path, step)
    _save(tmp_path, 3)
    assert latest_checkpoint(tmp_path) == tmp_path / "step_000003"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_000001", "step_000003"]


def test_checkpoint_written_twice_is_the_second(tmp_path: Path) -> None:
    directory = _save(tmp_path, 1)
    save_checkpoint(directory, {}, {"again": True})
    assert load_checkpoint(directory).state == {"again": True}
    assert [path.name for path in tmp_path.iterdir()] == ["step_000001"]


@pytest.mark.parametrize("crash_at", range(2))
def test_crash_while_replacing_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    directory = _save(tmp_path, 1)
    calls = iter(range(100))
    rename = Path.rename

    def crash(self: Path, target: Path) -> Path:
        if next(calls) == crash_at:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(directory, {}, {"again": True})
    monkeypatch.undo()
    assert latest_checkpoint(tmp_path) == directory
    assert load_checkpoint(directory).state == {"step": 1}


def test_latest_checkpoint_is_ordered_by_number_and_ignores_unfinished_ones(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "none") is None
    for name in ("step_999999", "step_1000000", ".step_2000000.partial"):
        (tmp_path / name).mkdir()
    assert latest_checkpoint(tmp_path) == tmp_path / "step_1000000"


@pytest.mark.parametrize("crash_at", range(3))
def test_crash_while_writing_leaves_the_older_checkpoint_and_no_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    older = _save(tmp_path, 1)
    calls = iter(range(100))
    sync = module.sync

    def crash(path: Path) -> None:
        if next(calls) == crash_at:
            raise KeyboardInterrupt
        sync(path)

    monkeypatch.setattr(module, "sync", crash)
    with pytest.raises(KeyboardInterrupt):
        _save(tmp_path, 2)
    monkeypatch.undo()
    assert latest_checkpoint(tmp_path) == older
    assert load_checkpoint(_save(tmp_path, 2)).state == {"step": 2}


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_truncate, r"expected \d+ bytes, found \d+"),
        (_flip, "expected SHA-256"),
        (os.remove, "found no file"),
    ],
)
def test_damaged_file_is_named_with_expected_found_and_the_intact_older_one(
    tmp_path: Path, name: str, damage: Callable[[Path], None], found: str
) -> None:
    intact, broken_too, newest = (_save(tmp_path, step) for step in (1, 2, 3))
    _truncate(broken_too / "state.json")
    damage(newest / name)
    with pytest.raises(CheckpointError, match=found) as caught:
        load_checkpoint(newest)
    assert str(newest / name) in str(caught.value)
    assert str(caught.value).endswith(f"{intact} is intact")


def test_missing_checkpoint_and_damaged_manifest_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at .*no older checkpoint is intact"):
        load_checkpoint(tmp_path / "step_000009")
    directory = _save(tmp_path, 1)
    _truncate(directory / "manifest.json")
    with pytest.raises(CheckpointError, match="manifest.json: expected a manifest"):
        load_checkpoint(directory)


def test_unknown_layout_version_is_refused(tmp_path: Path) -> None:
    directory = _save(tmp_path, 1)
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(CheckpointError, match="expected layout version 1, found 99"):
        load_checkpoint(directory)


def test_disk_that_refuses_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match="cannot write checkpoint .*step_000001"):
        _save(tmp_path / "checkpoints", 1)


def test_bad_names_and_counts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="step_<number>"):
        save_checkpoint(tmp_path / "final", {}, {})
    with pytest.raises(ValueError, match="keep"):
        save_checkpoint(tmp_path / "step_000001", {}, {}, keep=0)


def _adamw(model: nn.Module) -> torch.optim.Optimizer:
    matrix, bias, *rest = model.parameters()
    groups = [
        {"params": [matrix, bias], "lr": 1e-2, "betas": (0.8, 0.95)},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=3e-3)


def _muon(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Muon([p for p in model.parameters() if p.ndim == 2], lr=1e-2)


def _model(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3)).to(dtype)


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(6, 4, generator=generator).to(dtype)).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [_adamw, _muon])
def test_restored_optimizer_continues_bit_for_bit(
    tmp_path: Path, make: Callable[[nn.Module], torch.optim.Optimizer], dtype: torch.dtype
) -> None:
    model = _model(dtype)
    optimizer = make(model)
    optimizer.param_groups[0]["lr"] = 0.1 / 3
    _train(model, optimizer, seed=1)
    saved = {f"policy.{name}": value for name, value in model.state_dict().items()}
    save_checkpoint(tmp_path / "step_000001", saved | flatten_optimizer(optimizer, "optimizer."), {})
    _train(model, optimizer, seed=2)

    tensors = load_checkpoint(tmp_path / "step_000001").tensors
    resumed = _model(dtype)
    resumed.load_state_dict({name: tensors[f"policy.{name}"] for name in resumed.state_dict()})
    fresh = make(resumed)
    restore_optimizer(fresh, tensors, "optimizer.")
    assert fresh.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    _train(resumed, fresh, seed=2)
    for name, value in model.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_restoring_copies_so_that_the_checkpoint_does_not_change() -> None:
    model = _model(torch.float32)
    optimizer = _adamw(model)
    _train(model, optimizer, seed=1)
    tensors = {name: value.clone() for name, value in flatten_optimizer(optimizer, "o.").items()}
    kept = {name: value.clone() for name, value in tensors.items()}
    restore_optimizer(optimizer, tensors, "o.")
    _train(model, optimizer, seed=2)
    assert all(torch.equal(tensors[name], kept[name]) for name in kept)


def test_two_optimizers_share_a_checkpoint_under_their_prefixes() -> None:
    model = _model(torch.float32)
    adamw, muon = _adamw(model), _muon(model)
    _train(model, adamw, seed=1)
    _train(model, muon, seed=2)
    together = flatten_optimizer(adamw, "adamw.") | flatten_optimizer(muon, "muon.")
    fresh = _muon(_model(torch.float32))
    restore_optimizer(fresh, together, "muon.")
    buffers = [state["momentum_buffer"] for state in muon.state.values()]
    assert all(
        torch.equal(state["momentum_buffer"], buffer)
        for state, buffer in zip(fresh.state.values(), buffers, strict=True)
    )


def test_optimizer_that_never_stepped_round_trips() -> None:
    optimizer = _adamw(_model(torch.float32))
    restore_optimizer(optimizer, flatten_optimizer(optimizer, "o."), "o.")
    assert optimizer.state_dict()["state"] == {}


def test_state_that_is_a_plain_number_round_trips() -> None:
    model = _model(torch.float32)
    optimizer = _adamw(model)
    _train(model, optimizer, seed=1)
    parameter = next(model.parameters())
    optimizer.state[parameter]["count"] = 3
    tensors = flatten_optimizer(optimizer, "o.")
    optimizer.state.clear()
    restore_optimizer(optimizer, tensors, "o.")
    assert optimizer.state[parameter]["count"] == 3


def test_optimizer_state_of_another_model_is_refused() -> None:
    tensors = flatten_optimizer(_adamw(_model(torch.float32)), "o.")
    with pytest.raises(CheckpointError, match="is for parameters of shapes"):
        restore_optimizer(_muon(_model(torch.float32)), tensors, "o.")
    with pytest.raises(CheckpointError, match="no optimizer state under 'p.'"):
        restore_optimizer(_adamw(_model(torch.float32)), tensors, "p.")
