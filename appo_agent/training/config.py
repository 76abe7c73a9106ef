"""Everything that a training run can be told: one frozen tree of settings.

Each component's settings live beside the component; this file only joins them. The algorithm's name decides the
defaults of `plan`, `future`, `advantage` and `loss`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from appo_agent.algorithms.advantages import AdvantageConfig
from appo_agent.algorithms.future import FutureValue
from appo_agent.algorithms.losses import LossConfig
from appo_agent.algorithms.plan import RolloutPlan
from appo_agent.algorithms.registry import algorithm
from appo_agent.cluster.settings import ClusterConfig
from appo_agent.evaluation import EvaluationConfig
from appo_agent.policies.learner import OptimizerConfig
from appo_agent.policies.pretrained.settings import PretrainedConfig
from appo_agent.policies.tiny.model import TinyConfig
from appo_agent.policies.vllm.settings import VllmConfig
from appo_agent.rollout.episode import SamplingConfig
from appo_agent.training.metric_writers import check_writers
from appo_agent.training.sft import ColdStartConfig

TINY = "tiny"
SamplerName = Literal["auto", "transformers", "vllm", "vllm_server"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `appo train`."""

    model: str = TINY
    """The policy: "tiny", made from nothing for the environment, or a Hugging Face id or folder."""
    sampler: SamplerName = "auto"
    """What generates for a pretrained model: "transformers", "vllm" in this process, "vllm_server" beside it; "auto"
    takes vllm where it is installed. The tiny policy has its own."""
    dialect: str = "auto"
    """How the model's text calls tools: "tags" (the paper's), "hermes", or another registered name. "auto": what the
    model's family was trained on, and tags for the others."""
    algorithm: str = "appo"
    """Name of the algorithm (see `appo algorithms`); decides the defaults of plan, future, advantage and loss."""
    env: str = "appo/KnowledgeQA-v0"
    """Gymnasium id of the environment (see `appo envs`)."""
    env_options: tuple[str, ...] = ()
    """Keyword arguments of the environment, each written name=value, such as hops=2."""
    evaluation_items: tuple[str, ...] = ("public",)
    """Hashed evaluation items that training tasks from files and the hub must not be: "public", those of the public
    benchmarks, or files of `appo bench hash`; nothing for no check."""
    seed: int = 0
    """All randomness of the run derives from it, 0 or more."""
    token_budget: int = 600_000
    """Generated policy tokens after which training ends, branches and failures included; evaluation is not counted."""
    max_steps: int = 0
    """Training steps after which training ends; 0: only the budget decides."""
    prompts_per_step: int = 16
    """Prompts a training step; a multiple of mini_batches."""
    mini_batches: int = 4
    """Optimizer updates a pass over the step's prompts; branches are drawn anew for each."""
    epochs: int = 1
    """Passes over the step's rollouts."""
    tool_workers: int = 0
    """Threads that run tools. 0: in place and in order, so that the same seed gives the same bytes."""
    checkpoint_every: int = 10
    """Training steps between checkpoints, at least 1."""
    record_every: int = 10
    """Training steps between recorded rollout trees and transcripts, at least 1."""
    log_to: tuple[str, ...] = ("tensorboard",)
    """Where figures go besides metrics.jsonl: tensorboard, wandb, trackio; nothing for none of them."""
    threads: int = 1
    """CPU threads of torch; the tiny policy is fastest with 1."""
    plan: RolloutPlan = field(default_factory=lambda: algorithm("appo").plan)
    """Which rollouts a prompt gets."""
    future: FutureValue = field(default_factory=lambda: algorithm("appo").future)
    """How the future value of a token is computed."""
    advantage: AdvantageConfig = field(default_factory=lambda: algorithm("appo").advantage)
    """How credit is assigned."""
    loss: LossConfig = field(default_factory=lambda: algorithm("appo").loss)
    """The policy-gradient loss."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimizer of the policy-gradient updates."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """How turns are generated."""
    cold_start: ColdStartConfig = field(default_factory=ColdStartConfig)
    """Supervised fine-tuning before training."""
    policy: TinyConfig = field(default_factory=TinyConfig)
    """Size of the tiny policy."""
    pretrained: PretrainedConfig = field(default_factory=PretrainedConfig)
    """How a pretrained model is loaded and trained."""
    vllm: VllmConfig = field(default_factory=VllmConfig)
    """The vLLM engine, where one samples."""
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """The machines that a run spreads over."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """When and on what the policy is evaluated."""

    @property
    def dtype(self) -> str:
        """Precision of the policy's matrix products, "float32" or "bfloat16"."""
        return "float32" if self.model == TINY else self.pretrained.dtype

    def __post_init__(self) -> None:
        for name in (
            "prompts_per_step",
            "mini_batches",
            "epochs",
            "checkpoint_every",
            "record_every",
            "threads",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("seed", "token_budget", "max_steps", "tool_workers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.prompts_per_step % self.mini_batches:
            raise ValueError(
                f"prompts_per_step ({self.prompts_per_step}) must be a multiple of mini_batches ({self.mini_batches})"
            )
        check_writers(self.log_to)
        if self.sampler not in get_args(SamplerName):
            raise ValueError(f"sampler must be one of {', '.join(get_args(SamplerName))}, got {self.sampler!r}")
        if not self.model:
            raise ValueError('model must be "tiny" or a Hugging Face id or folder, got an empty text')
        algorithm(self.algorithm)
        if self.advantage.train_prefix and self.plan.sources:
            raise ValueError(
                "advantage.train_prefix needs a plan whose rollouts are all drawn by the same weights; branches that a "
                "mini-batch draws (plan.sources > 0) share tokens of older ones: train their own tokens alone"
            )
        if self.advantage.overlong_buffer > self.sampling.max_rollout_tokens:
            raise ValueError(
                f"advantage.overlong_buffer ({self.advantage.overlong_buffer}) cannot exceed "
                f"sampling.max_rollout_tokens ({self.sampling.max_rollout_tokens})"
            )


def default_config(algorithm_name: str = "appo") -> TrainConfig:
    """The defaults under one algorithm.

    Raises:
        ValueError: no such algorithm; names the nearest.
    """
    chosen = algorithm(algorithm_name)
    return TrainConfig(
        algorithm=chosen.name,
        plan=chosen.plan,
        future=chosen.future,
        advantage=chosen.advantage,
        loss=chosen.loss,
    )
