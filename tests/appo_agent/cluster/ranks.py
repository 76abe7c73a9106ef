"""Functions carried out by several processes of one group, as the ranks of a learner are."""

from __future__ import annotations

import multiprocessing
import pickle
import socket
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes


def on_ranks(count: int, work: Callable[..., object], *arguments: object, folder: Path) -> list[object]:
    """What `work(*arguments)` returns on each of `count` ranks; an error of one is raised here."""
    target = folder / f"{work.__name__}-{count}"
    target.mkdir()
    # One process imports torch and is forked for each rank: seconds less than importing it in every rank.
    multiprocessing.set_forkserver_preload(["appo_agent.cluster.sharded_checkpoint", "appo_agent.policies.tiny.model"])
    arguments = (count, _free_port(), target, work, arguments)
    start_processes(_rank, args=arguments, nprocs=count, start_method="forkserver")
    return [pickle.loads((target / str(rank)).read_bytes()) for rank in range(count)]


def _rank(
    rank: int, count: int, port: int, target: Path, work: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    try:
        (target / str(rank)).write_bytes(pickle.dumps(work(*arguments)))
    finally:
        dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
