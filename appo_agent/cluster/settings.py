"""What a run can be told about the machines it spreads over. Ray is not needed to read it."""

from __future__ import annotations

from dataclasses import dataclass

LOCAL, AUTO = "local", "auto"


@dataclass(frozen=True)
class ClusterConfig:
    """Ray and what runs on it."""

    address: str = ""
    """"": everything in this process. "local": a Ray of this machine, started for the run. Otherwise a cluster's
    address, such as ray://head:10001, or "auto" on a machine of the cluster."""
    workers: int = 2
    """Rollout workers that are wanted, at least 1; a run works with as many as the cluster has room for just then."""
    cpus_per_worker: float = 1.0
    """Processors that Ray sets aside for a worker, > 0."""
    gpus_per_worker: float = 0.0
    """GPUs that Ray sets aside for a worker, 0 or more."""
    learners: int = 0
    """Ranks of the sharded learner (FSDP2). 0: the learner stays in the driver's process."""
    gpus_per_learner: float = 0.0
    """GPUs that Ray sets aside for a rank of the learner, 0 or more; without any it computes on processors (gloo)."""
    episodes_per_call: int = 64
    """Most episodes that a worker is given at a time, at least 1: what is done again when it is lost."""
    patience_s: float = 300.0
    """Seconds without any rollout worker after which the run gives up, > 0."""
    object_store_mb: int = 0
    """Memory for objects of a Ray that is started here, MiB; 0: Ray decides."""

    def __post_init__(self) -> None:
        for name in ("workers", "episodes_per_call"):
            if getattr(self, name) < 1:
                raise ValueError(f"cluster.{name} must be at least 1, got {getattr(self, name)}")
        for name in ("cpus_per_worker", "patience_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"cluster.{name} must be positive, got {getattr(self, name)}")
        for name in ("gpus_per_worker", "learners", "gpus_per_learner", "object_store_mb"):
            if getattr(self, name) < 0:
                raise ValueError(f"cluster.{name} must be 0 or more, got {getattr(self, name)}")
        if self.learners and not self.address:
            raise ValueError(
                f"cluster.learners {self.learners} needs cluster.address: ranks are processes of a cluster"
            )
