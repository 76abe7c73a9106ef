"""A learner whose weights, gradients and optimizer state are spread over processes by FSDP2.

Owns what sharding changes of `InProcessLearner`: rows of a batch are dealt over the ranks, tensors are put together
where somebody asks for them whole. Every rank makes the same calls with the same whole batches ("single program"), and
every rank gets the same results. Who makes the ranks is `learner_group.py`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from appo_agent.algorithms.logprobs import TokenScores, scatter_scores
from appo_agent.algorithms.losses import LossConfig
from appo_agent.batch import Batch
from appo_agent.errors import ConfigError, RunError
from appo_agent.policies.forward import CausalModel, score_written
from appo_agent.policies.learner import InProcessLearner, OptimizerConfig
from appo_agent.whole_folder import write_whole

Result = TypeVar("Result")


class Scorer(nn.Module):
    """Scoring as one forward, which is what FSDP gathers the weights around.

    Args:
        model: the policy.
        module: the module that holds its parameters.
    """

    def __init__(self, model: CausalModel, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        # A plain reference: registered twice, the parameters would have two names.
        object.__setattr__(self, "_model", model)
        self._model: CausalModel

    def forward(self, token_ids: Tensor, written: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Log-probs and entropies, (K,) each, as `score_written`."""
        scores = score_written(self._model, token_ids, written, temperature=temperature)
        # FSDP hangs its hook on what is returned, which must not be a view.
        return scores.logprobs.clone(), scores.entropies.clone()


class ShardedLearner(InProcessLearner):
    """One rank of a learner. The process group must exist.

    Args:
        model: the policy, the same whole weights on every rank; sharded in place.
        module: the module that holds its parameters, all of which learn.
        optimizer: its settings; `micro_batch_tokens` counts those of all ranks together.
        temperature: logits are divided by it in every score.
        save: writes the policy as a Hugging Face folder; called on rank 0 with whole weights under `full_weights`.
        keep_previous: also hold the weights before the last update.

    Raises:
        ConfigError: some parameters do not learn, as under LoRA.
    """

    def __init__(
        self,
        model: CausalModel,
        module: nn.Module,
        optimizer: OptimizerConfig,
        *,
        temperature: float,
        save: Callable[[Path, Mapping[str, Tensor]], None],
        keep_previous: bool = False,
    ) -> None:
        frozen = [name for name, parameter in module.named_parameters() if not parameter.requires_grad]
        if frozen:
            raise ConfigError(
                f"a sharded learner trains every weight, and {len(frozen)} do not learn (the first is {frozen[0]}); "
                "set pretrained.lora_rank to 0, or keep the learner in one process with cluster.learners 0"
            )
        self._rank, self._ranks = dist.get_rank(), dist.get_world_size()
        self._scorer = _shard(Scorer(model, module), model.device)
        super().__init__(model, optimizer, temperature=temperature, save=_from_rank_0, keep_previous=keep_previous)
        self._save_weights = save

    def weights(self) -> dict[str, Tensor]:
        """The current weights under their transformers names, put together; copies."""
        return {name: whole(value) for name, value in self.model.full_weights().items()}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that an exact resume needs, put together: any number of ranks can load it."""
        return {name: whole(value) for name, value in self.shards().items()}

    def shards(self) -> dict[str, Tensor]:
        """As `tensors`, each rank with its own part of what is sharded."""
        return super().tensors()

    def load_tensors(self, tensors: Mapping[str, Tensor], version: int) -> None:
        """Restore what `tensors` or `shards` gave, on this or another number of ranks."""
        super().load_tensors({name: self.place(name, value) for name, value in tensors.items()}, version)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take whole weights by parameter name; optimizer state and version stay."""
        self._load(weights)

    def layout(self, name: str) -> Tensor | None:
        """The parameter that a tensor of `shards` is spread like; None for one that every rank holds whole.

        Args:
            name: a name of `shards`, such as policy.model.norm.weight or optimizer.state.0.exp_avg.
        """
        kind, _, rest = name.partition(".")
        if kind != "optimizer":
            return self._parameters.get(rest)
        if not rest.startswith("state.") or rest.endswith(".step"):
            return None
        return list(self._parameters.values())[int(rest.split(".")[1])]

    def place(self, name: str, value: Tensor) -> Tensor:
        """This rank's part of a whole tensor that belongs to a parameter; others as they are."""
        like = self.layout(name)
        if not isinstance(like, DTensor) or isinstance(value, DTensor):
            return value
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)

    def gradient(self, batch: Batch, loss: LossConfig) -> Tensor:
        """(P,) the whole gradient at the current weights, on the CPU; nothing is applied."""
        self._gradients(batch, loss)
        parts = [
            torch.zeros(value.shape).flatten() if value.grad is None else whole(value.grad).flatten()
            for value in self._parameters.values()
        ]
        self._optimizer.zero_grad(set_to_none=True)
        return torch.cat(parts).float().cpu()

    def save_policy(self, folder: Path) -> None:
        """Write the policy as a Hugging Face folder, from rank 0, once every rank has given its part.

        Raises:
            RunError: the disk refused.
        """
        weights = self.weights()
        if self._rank == 0:
            write_whole(folder, lambda partial: self._save_weights(partial, weights))

    def _within_memory(self, work: Callable[[], Result]) -> Result:
        """Do the work. Half the micro-batch on one rank alone would leave the others waiting, so nothing is retried."""
        try:
            return work()
        except torch.OutOfMemoryError as error:
            raise RunError(
                f"rank {self._rank} of {self._ranks} ran out of memory with micro-batches of "
                f"{self._micro_batch_tokens} tokens over all ranks; lower optimizer.micro_batch_tokens or the response "
                "length, or raise cluster.learners"
            ) from error

    def _forward(self, batch: Batch) -> TokenScores:
        """Scores of every row; only those of this rank's rows carry a gradient."""
        batch = batch.to(self.model.device)
        rows = torch.arange(len(batch), device=batch.token_ids.device)
        mine = rows[rows % self._ranks == self._rank]
        # A forward is a call that all ranks make together: one without rows scores the first and counts it as nothing.
        part = batch.select(mine if len(mine) else rows[:1])
        logprobs, entropies = self._scorer(part.token_ids, part.action_mask, self._temperature)
        scores = scatter_scores(TokenScores(logprobs, entropies), part.action_mask)
        placed = [self._place_rows(values, mine, batch.token_ids.shape) for values in scores]
        gathered = [self._from_all(values) for values in placed]
        return TokenScores(gathered[0], gathered[1])

    def _place_rows(self, values: Tensor, rows: Tensor, shape: torch.Size) -> Tensor:
        widened = torch.nn.functional.pad(values, (0, shape[1] - values.shape[1]))
        placed = values.new_zeros(shape)
        if len(rows) == 0:
            return placed + 0 * widened.sum()
        return placed.index_copy(0, rows, widened)

    def _from_all(self, values: Tensor) -> Tensor:
        """Every rank's rows, without letting gradients cross ranks."""
        total = values.detach().clone()
        dist.all_reduce(total)
        return values + (total - values.detach())

    @torch.no_grad()
    def _load(self, weights: Mapping[str, Tensor]) -> None:
        super()._load({name: self.place(f"policy.{name}", value) for name, value in weights.items()})


def _from_rank_0(folder: Path) -> None:
    raise RuntimeError(f"{folder}: `save_policy` of a sharded learner writes whole weights itself")


def module_of(model: CausalModel) -> nn.Module:
    """The module that holds a model's parameters.

    Raises:
        TypeError: the model is neither a module nor the wrapper of one.
    """
    if isinstance(model, nn.Module):
        return model
    from appo_agent.policies.pretrained.model import PretrainedModel

    if isinstance(model, PretrainedModel):
        return model.model
    raise TypeError(f"expected a torch module or a PretrainedModel, got {type(model).__name__}")


def whole(value: Tensor) -> Tensor:
    """A tensor put together on every rank, detached and on the CPU; all ranks must ask."""
    value = value.detach()
    return (value.full_tensor() if isinstance(value, DTensor) else value).cpu()


def _shard(scorer: Scorer, device: torch.device) -> Scorer:
    """Shard layer by layer, so that only one layer's weights are whole at a time; then the rest."""
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in _layers(scorer):
        fully_shard(layer, mesh=mesh).set_gradient_divide_factor(1.0)
    # FSDP keeps the root's weights whole after a forward unless told otherwise, and would score with them after
    # others have been loaded. Each rank's loss already holds its share of the batch, so gradients are summed.
    fully_shard(scorer, mesh=mesh, reshard_after_forward=True).set_gradient_divide_factor(1.0)
    return scorer


def _layers(module: nn.Module) -> list[nn.Module]:
    """The decoder's layers: the longest list of modules in it."""
    lists = [list(child) for child in module.modules() if isinstance(child, nn.ModuleList)]
    return max(lists, key=len, default=[])
