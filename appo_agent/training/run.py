"""The life of a run: cold start, evaluation, training, evaluation; checkpoints on the way, resume from any of them.

Owns the order of phases and what a checkpoint holds. Every phase derives its randomness from (seed, names, position),
so the position is all that a resumed run must know besides tensors.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

from appo_agent.analysis.statistics import Interval
from appo_agent.errors import CheckpointError, NonFiniteError
from appo_agent.evaluation import EvaluationResult, evaluate, play, summarise
from appo_agent.report.curve import HeldOutPoint
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.build import Agent, dialect_name
from appo_agent.training.checkpoint import Checkpoint, Sharded, latest_checkpoint, load_checkpoint, save_checkpoint
from appo_agent.training.config import TrainConfig
from appo_agent.training.conversations import Conversations
from appo_agent.training.demonstrations import Demonstrations, ExpertDemonstrations, NoDemonstrations
from appo_agent.training.interrupt import StopRequest
from appo_agent.training.metrics import MetricsLog
from appo_agent.training.panel import shown_figures
from appo_agent.training.progress import RunProgress
from appo_agent.training.run_dir import RunDir
from appo_agent.training.run_files import dump_step, last_words, write_curve, write_step_records
from appo_agent.training.sft import ColdStart
from appo_agent.training.task_stream import TaskStream
from appo_agent.training.trainer import StepResult, Trainer
from appo_agent.types import RolloutTree
from appo_envs.seeding import derive_seed
from appo_envs.tasks import TaskSplit

Phase = Literal["cold_start", "train", "done"]
CHECKPOINTS_KEPT = 2


class Interrupted(Exception):
    """The run stopped at a safe point because somebody asked; its checkpoint is written."""


@dataclass
class Position:
    """Where a run stands: everything a resume needs besides tensors."""

    phase: Phase = "cold_start"
    cold_start_steps: int = 0
    step: int = 0
    generated_tokens: int = 0
    version: int = 0
    noise_floor: float | None = None
    before: EvaluationResult | None = None
    after: EvaluationResult | None = None

    def to_state(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Position:
        """The inverse of `to_state`."""
        results = {name: _result(state[name]) for name in ("before", "after")}
        return cls(**{**state, **results})


@dataclass
class TrainingRun:
    """One run of `appo train`.

    Attributes:
        config: its settings.
        agent: the working parts.
        directory: where everything is written.
        progress: what a person sees.
        stop: asked after every optimizer step.
    """

    config: TrainConfig
    agent: Agent
    directory: RunDir
    log: MetricsLog
    progress: RunProgress
    stop: StopRequest
    position: Position = field(default_factory=Position)

    def __post_init__(self) -> None:
        split = self._env_tasks("train")
        self._tasks = TaskStream(split, derive_seed(self.config.seed, "train"))
        self._spares = TaskStream(split, derive_seed(self.config.seed, "redraw"))
        agent = self.agent
        self._cold_start = ColdStart(
            agent.model, self._demonstrations(split), self.config.cold_start, self.config.optimizer.micro_batch_tokens
        )
        self._trainer = Trainer(self.config, agent.collector, agent.sampler, agent.learner)

    def _demonstrations(self, split: TaskSplit) -> Demonstrations:
        agent, seed = self.agent, derive_seed(self.config.seed, "cold start")
        if self.config.cold_start.data:
            return Conversations.load(self.config.cold_start.data, agent.tokenizer, agent.inline_results, seed)
        if not self.config.cold_start.steps:
            return NoDemonstrations()
        return ExpertDemonstrations(
            agent.collector.envs,
            TaskStream(split, seed),
            agent.tokenizer,
            self.config.seed,
            dialect_name(self.config),
        )

    def resume(self) -> None:
        """Go back to the newest checkpoint.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        path = latest_checkpoint(self.directory.checkpoints)
        if path is None:
            raise CheckpointError(f"{self.directory.path} has no checkpoint yet; start it again in a new directory")
        self._restore(load_checkpoint(path, keep_shards=isinstance(self.agent.learner, Sharded)))
        self.log.truncate_after(self.position.step)
        if self.position.phase == "done" and not self._budget_spent():
            self.position.phase = "train"

    def execute(self) -> Position:
        """Run every phase that is still ahead.

        Raises:
            Interrupted: `stop` was set; a checkpoint is written.
            NonFiniteError: an update was refused; the step is dumped.
        """
        if self.position.phase == "cold_start":
            self._run_cold_start()
            self.position.before = self._evaluate("before", self.config.evaluation.split)
            self.position.phase = "train"
            if self.config.loss.kl_weight:
                self.agent.learner.set_reference()
            self.checkpoint()
        if self.position.phase == "train":
            self._train()
            self.position.after = self._evaluate("after", self.config.evaluation.split)
            self.position.phase = "done"
            self.checkpoint()
        self.agent.learner.save_policy(self.directory.policy)
        self._draw()
        return self.position

    def checkpoint(self) -> None:
        """Write where the run stands."""
        self.position.version = self.agent.learner.version
        self.position.cold_start_steps = self._cold_start.finished_steps
        if self._trainer.chooser is not None:
            self.position.noise_floor = self._trainer.chooser.noise_floor
        learner = self.agent.learner
        save_shards = learner.save_shards if isinstance(learner, Sharded) else None
        tensors = {} if save_shards else learner.tensors()
        if self.position.phase == "cold_start":
            tensors |= self._cold_start.tensors()
        folder, state = self.directory.checkpoint(self.position.step), self.position.to_state()
        save_checkpoint(folder, tensors, state, CHECKPOINTS_KEPT, save_shards)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.position = Position.from_state(checkpoint.state)
        learner = self.agent.learner
        if checkpoint.shards is not None and isinstance(learner, Sharded):
            learner.load_shards(checkpoint.shards)
        else:
            learner.load_tensors(checkpoint.tensors, self.position.version)
        if self._trainer.chooser is not None:
            self._trainer.chooser.noise_floor = self.position.noise_floor
        if self.position.phase == "cold_start":
            self._cold_start.load_tensors(checkpoint.tensors, self.position.cold_start_steps)
        self.agent.push_weights()

    def _run_cold_start(self) -> None:
        self.directory.log_phase("cold start")
        total = self.config.cold_start.steps
        with self.progress.phase("cold start", total) as bar:
            while not self._cold_start.done:
                loss = self._cold_start.step()
                bar.show(self._cold_start.finished_steps, f"loss {loss:.3f}")
                self._stop_if_asked()
        self.agent.push_weights()

    def _train(self) -> None:
        config, position = self.config, self.position
        self.directory.log_phase("train")
        start, tokens_before = time.perf_counter(), position.generated_tokens
        with self.progress.phase("train", config.token_budget) as bar:
            while not self._budget_spent():
                result = self._step()
                rate = (position.generated_tokens - tokens_before) / (time.perf_counter() - start)
                bar.show(
                    position.generated_tokens,
                    f"step {position.step}  {rate:,.0f} tok/s",
                    shown_figures(result.metrics),
                    note=last_words(result, self.agent.tokenizer),
                )
                if position.step % config.checkpoint_every == 0:
                    self.checkpoint()
                self._stop_if_asked()

    def _step(self) -> StepResult:
        config, position = self.config, self.position
        tasks = self._tasks.take(position.step * config.prompts_per_step, config.prompts_per_step)
        needed = config.prompts_per_step * config.plan.most_redraws
        spares = self._spares.take(position.step * needed, needed)
        started = time.perf_counter()
        try:
            result = self._trainer.step(tasks, position.step, spares)
        except NonFiniteError:
            dump_step(self.directory, position.step + 1, tasks, self.agent.learner.tensors())
            raise
        position.step += 1
        position.generated_tokens += int(result.metrics["tokens/generated"])
        metrics = {"tokens/total": position.generated_tokens, **result.metrics}
        evaluation = config.evaluation
        if evaluation.validation_episodes and position.step % evaluation.validation_every == 0:
            found = self._validate()
            metrics |= {"validation/success": found.success, "validation/reward": found.reward}
        metrics["seconds/step"] = time.perf_counter() - started
        self.log.append(position.step, metrics)
        if position.step % config.record_every == 0 or position.step == 1:
            write_step_records(self.directory, position.step, result, self.agent.tokenizer)
        return result

    def _validate(self) -> EvaluationResult:
        tasks = self._env_tasks("validation")
        count = min(self.config.evaluation.validation_episodes, len(tasks))
        seed = derive_seed(self.config.seed, "validation")
        return evaluate(self.agent.collector, self.agent.sampler, [tasks[i] for i in range(count)], seed)

    def _evaluate(self, name: str, split: str) -> EvaluationResult:
        self.agent.push_weights()
        self.directory.log_phase(f"evaluate {name}")
        episodes, seed = self.config.evaluation.episodes, self.config.seed
        return shown_held_out(self.agent, split, episodes, seed, self.progress, name).result

    def _draw(self) -> None:
        config, position = self.config, self.position
        points = [
            HeldOutPoint(name, tokens, result.success, result.interval)
            for name, tokens, result in (
                ("before", 0, position.before),
                ("after", position.generated_tokens, position.after),
            )
            if result is not None
        ]
        write_curve(self.directory, self.log, f"{config.algorithm} on {config.env}, seed {config.seed}", points)

    def _env_tasks(self, split: str) -> TaskSplit:
        return env_tasks(self.agent, split)

    def _budget_spent(self) -> bool:
        limit = self.config.max_steps
        return self.position.generated_tokens >= self.config.token_budget or (0 < limit <= self.position.step)

    def _stop_if_asked(self) -> None:
        if self.stop:
            self.checkpoint()
            raise Interrupted


def env_tasks(agent: Agent, split: str) -> TaskSplit:
    """The tasks of a split of the agent's environment."""
    env = agent.collector.envs.acquire()
    tasks = tool_env(env).tasks(split)
    agent.collector.envs.release(env)
    return tasks


class HeldOut(NamedTuple):
    """An evaluation on held-out tasks: what was found, and its episodes, one tree a task."""

    result: EvaluationResult
    trees: list[RolloutTree]


def held_out(agent: Agent, split: str, episodes: int, seed: int) -> EvaluationResult:
    """Evaluate on the first tasks of a split, the same ones whatever the run."""
    return shown_held_out(agent, split, episodes, seed, RunProgress(quiet=True), "evaluation").result


def shown_held_out(agent: Agent, split: str, episodes: int, seed: int, progress: RunProgress, name: str) -> HeldOut:
    """As `held_out` while somebody watches.

    Args:
        agent: whose policy plays.
        split: of the environment's tasks.
        episodes: how many tasks; all of them where the split has fewer.
        seed: decides the sampling noise.
        progress: shows how far it is.
        name: of the phase that is shown.
    """
    tasks = env_tasks(agent, split)
    chosen = [tasks[index] for index in range(min(episodes, len(tasks)))]
    with progress.phase(name, len(chosen)) as phase:

        def report(finished: int) -> None:
            if finished < len(chosen):
                phase.show(finished, f"{finished:,} of {len(chosen):,} episodes")

        trees = play(agent.collector, agent.sampler, chosen, derive_seed(seed, "evaluation", split), report)
        result = summarise(trees)
        low, high = result.interval
        found = f"success {result.success:.3f} [{low:.3f}, {high:.3f}] on {result.episodes} {split} episodes"
        phase.show(len(chosen), found)
    return HeldOut(result, trees)


def _result(state: Mapping[str, Any] | None) -> EvaluationResult | None:
    if state is None:
        return None
    result = EvaluationResult(**state)
    return replace(result, interval=Interval(*result.interval))
