"""The driver's learner when ranks of a sharded one do the work, each a Ray actor.

Owns the processes, their process group, and the driver's copy of the policy, which the cold start improves before the
ranks take over. What a rank does is `sharded.py`'s. A rank that dies ends the run: it goes on from its checkpoint.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray.exceptions import RayError, RayTaskError
from ray.util import get_node_ip_address
from torch import Tensor, nn

from appo_agent.algorithms.logprobs import TokenScores
from appo_agent.algorithms.losses import LossConfig
from appo_agent.batch import Batch
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.cluster.sharded import ShardedLearner
from appo_agent.cluster.sharded_checkpoint import load_shards, require_every_part, save_shards
from appo_agent.errors import RunError
from appo_agent.policies.base import UpdateMetrics
from appo_agent.policies.forward import CausalModel
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig

MakeModel = Callable[[], tuple[CausalModel, nn.Module]]


class LearnerGroup(InProcessLearner):
    """A learner whose scores and updates are computed by ranks.

    Until the first update the weights are those of the driver's model, whoever changes them; `weights` hands them to
    the ranks. From then on the ranks' weights count, and come to the driver's model to be saved.

    Args:
        model: the driver's copy.
        make_model: makes the model and the module that holds its parameters, on a rank; with any weights.
        optimizer: its settings.
        cluster: how many ranks.
        temperature: logits are divided by it in every score.
        save: writes the driver's copy as a Hugging Face folder.
        keep_previous: also hold the weights before the last update.

    Raises:
        RunError: the cluster has no room for all ranks.
    """

    def __init__(
        self,
        model: CausalModel,
        make_model: MakeModel,
        optimizer: OptimizerConfig,
        cluster: ClusterConfig,
        *,
        temperature: float,
        save: Callable[[Path], None],
        keep_previous: bool = False,
    ) -> None:
        super().__init__(model, optimizer, temperature=temperature, save=save)
        actor: Any = ray.remote(_Rank)
        actor = actor.options(num_cpus=1, num_gpus=cluster.gpus_per_learner, max_restarts=0, max_task_retries=0)
        self._ranks = [actor.remote(rank, cluster.learners) for rank in range(cluster.learners)]
        where = self._address(cluster)
        settings = (optimizer, temperature, keep_previous)
        self._all(lambda rank: rank.begin.remote(where, make_model, *settings))
        self._handed = False

    def score(self, batch: Batch) -> TokenScores:
        """As `Learner.score`."""
        self._hand_over()
        return self._all(lambda rank: rank.score.remote(batch))

    def score_previous(self, batch: Batch) -> TokenScores | None:
        """As `Learner.score_previous`."""
        return self._all(lambda rank: rank.score_previous.remote(batch))

    def score_reference(self, batch: Batch) -> TokenScores:
        """As `Learner.score_reference`."""
        return self._all(lambda rank: rank.score_reference.remote(batch))

    def set_reference(self) -> None:
        """As `Learner.set_reference`."""
        self._hand_over()
        self._all(lambda rank: rank.set_reference.remote())

    def update(self, batch: Batch, loss: LossConfig) -> UpdateMetrics:
        """As `Learner.update`."""
        self._hand_over()
        metrics = self._all(lambda rank: rank.update.remote(batch, loss))
        self._version += 1
        return metrics

    def gradient(self, batch: Batch, loss: LossConfig) -> Tensor:
        """As `InProcessLearner.gradient`."""
        self._hand_over()
        return self._all(lambda rank: rank.gradient.remote(batch, loss))

    def weights(self) -> Mapping[str, Tensor]:
        """The current weights, put together."""
        self._hand_over_anew()
        if self._version == 0:
            return super().weights()
        return self._all(lambda rank: rank.weights.remote())

    def tensors(self) -> dict[str, Tensor]:
        """Everything that an exact resume needs, put together; any number of ranks can load it."""
        self._hand_over_anew()
        return self._all(lambda rank: rank.tensors.remote())

    def load_tensors(self, tensors: Mapping[str, Tensor], version: int) -> None:
        """Restore what `tensors` gave."""
        shared = ray.put(dict(tensors))
        self._all(lambda rank: rank.load_tensors.remote(shared, version))
        self._version = version
        self._take_back()
        self._handed = True

    def save_policy(self, folder: Path) -> None:
        """Write the policy as a Hugging Face folder."""
        self._take_back()
        super().save_policy(folder)

    def save_shards(self, folder: Path) -> None:
        """Each rank writes its part into a folder that all see; see `sharded_checkpoint`.

        Raises:
            CheckpointError: some part did not arrive here.
        """
        self._hand_over_anew()
        # A rank has another working directory.
        folder = folder.resolve()
        self._all(lambda rank: rank.save_shards.remote(folder))
        require_every_part(folder)

    def load_shards(self, folder: Path) -> None:
        """Restore what any number of ranks wrote."""
        folder = folder.resolve()
        self._version = self._all(lambda rank: rank.load_shards.remote(folder))
        self._take_back()
        self._handed = True

    def close(self) -> None:
        """End the ranks."""
        while self._ranks:
            ray.kill(self._ranks.pop())

    def _hand_over_anew(self) -> None:
        """Hand over what the cold start has made of the weights since they were handed over last."""
        if self._version == 0:
            self._handed = False
        self._hand_over()

    def _hand_over(self) -> None:
        if self._handed:
            return
        shared = ray.put({name: value.detach() for name, value in self._parameters.items()})
        self._all(lambda rank: rank.load_weights.remote(shared))
        self._handed = True

    def _take_back(self) -> None:
        tensors = self._all(lambda rank: rank.tensors.remote())
        self._load({name.removeprefix("policy."): value for name, value in tensors.items() if name[:7] == "policy."})

    def _address(self, cluster: ClusterConfig) -> str:
        """Where the ranks meet, once all of them are up."""
        asked = [rank.address.remote() for rank in self._ranks]
        up, missing = ray.wait(asked, num_returns=len(asked), timeout=cluster.patience_s)
        if missing:
            self.close()
            raise RunError(
                f"cluster.learners: {len(up)} of {len(asked)} ranks came up in {cluster.patience_s:g} s; each needs a "
                f"processor and {cluster.gpus_per_learner:g} GPUs beside what rollout workers hold; compare with `ray "
                "status`"
            )
        return self._answers(asked)[0]

    def _all(self, ask: Callable[[Any], Any]) -> Any:
        """Ask every rank; their answers are the same, and the first rank's is taken."""
        return self._answers([ask(rank) for rank in self._ranks])[0]

    def _answers(self, asked: list[Any]) -> list[Any]:
        try:
            # Whoever fails first is heard first: the others may wait for it, in a call that they make together.
            waiting = list(asked)
            while waiting:
                ready, waiting = ray.wait(waiting, num_returns=1, fetch_local=False)
                ray.get(ready)
            return ray.get(asked)
        except RayTaskError as error:
            raise error.as_instanceof_cause() from error
        except RayError as error:
            raise RunError(
                f"a rank of the learner is lost ({type(error).__name__}); its part of the weights is gone with it. Go "
                "on from the last checkpoint: appo train --resume RUN --cluster ADDRESS"
            ) from error


class _Rank:
    """One rank on its machine."""

    def __init__(self, rank: int, ranks: int) -> None:
        self._rank, self._ranks = rank, ranks
        self._made: ShardedLearner | None = None

    @property
    def _learner(self) -> ShardedLearner:
        if self._made is None:
            raise RunError(f"rank {self._rank} was asked to work before it began")
        return self._made

    def address(self) -> str:
        with socket.socket() as listener:
            listener.bind(("", 0))
            port = listener.getsockname()[1]
        return f"tcp://{get_node_ip_address()}:{port}"

    def begin(
        self, where: str, make_model: MakeModel, optimizer: OptimizerConfig, temperature: float, keep_previous: bool
    ) -> None:
        torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
        model, module = make_model()
        backend = "nccl" if model.device.type == "cuda" else "gloo"
        dist.init_process_group(backend, init_method=where, rank=self._rank, world_size=self._ranks)

        def save(folder: Path, weights: Mapping[str, Tensor]) -> None:
            raise RunError(f"the driver writes the policy to {folder}, not a rank")

        self._made = ShardedLearner(
            model, module, optimizer, temperature=temperature, save=save, keep_previous=keep_previous
        )

    def score(self, batch: Batch) -> TokenScores:
        return self._learner.score(batch)

    def score_previous(self, batch: Batch) -> TokenScores | None:
        return self._learner.score_previous(batch)

    def score_reference(self, batch: Batch) -> TokenScores:
        return self._learner.score_reference(batch)

    def set_reference(self) -> None:
        self._learner.set_reference()

    def update(self, batch: Batch, loss: LossConfig) -> UpdateMetrics:
        return self._learner.update(batch, loss)

    def gradient(self, batch: Batch, loss: LossConfig) -> Tensor:
        return self._learner.gradient(batch, loss)

    def weights(self) -> dict[str, Tensor]:
        return self._mine(self._learner.weights())

    def tensors(self) -> dict[str, Tensor]:
        return self._mine(self._learner.tensors())

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        self._learner.load_weights(weights)

    def load_tensors(self, tensors: Mapping[str, Tensor], version: int) -> None:
        self._learner.load_tensors(tensors, version)

    def save_shards(self, folder: Path) -> None:
        save_shards(self._learner, folder)

    def load_shards(self, folder: Path) -> int:
        load_shards(self._learner, folder)
        return self._learner.version

    def _mine(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        # Putting tensors together takes all ranks; sending them takes one.
        return values if self._rank == 0 else {}
