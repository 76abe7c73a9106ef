"""Measures tokens by forks: rollouts of a policy, one training step, continuations from every eligible token.

Owns the experiment. As in training, rollouts are drawn by pi_old, then the weights move by the updates of one step on
other prompts; scores are taken and continuations drawn with the moved weights, so that Omega has its signal.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from appo_agent.algorithms.branching import CRITERIA, Candidates, strict_score
from appo_agent.algorithms.plan import Independent, ScoreBranches
from appo_agent.analysis.diagnose.places import Place, places_of, words_of
from appo_agent.analysis.diagnose.values import StateValue, state_value
from appo_agent.batch import Batch, sample_of
from appo_agent.errors import RunError
from appo_agent.rollout.branch import PlacedBranch, grow
from appo_agent.rollout.tool_env import tool_env
from appo_agent.training.branching import BranchChooser
from appo_agent.training.build import Agent
from appo_agent.training.config import TrainConfig
from appo_agent.training.credit import score
from appo_agent.training.run import env_tasks
from appo_agent.training.step_metrics import trainable
from appo_agent.training.trainer import Trainer
from appo_agent.types import BranchPoint, RolloutTree
from appo_envs.seeding import derive_seed
from appo_envs.tasks.source import PlantedDecisions

STRICT = "branching_score_strict"
RULES = (STRICT, *CRITERIA)
"""Rules that are compared: the Branching Score by the strict rule, as training uses it, and every criterion by itself;
"branching_score" is then the bare product of eq. 5, which is high where both factors are low."""
NEVER = float(np.finfo(np.float32).min)
"""Rating of a token that a rule does not take at any price; finite, because JSON knows no infinity."""
_AT_ONCE = 1024


@dataclass(frozen=True)
class MeasureConfig:
    """How much is measured."""

    prompts: int = 8
    """Prompts of the split, at least 1."""
    rollouts: int = 2
    """Rollouts of each prompt, at least 1."""
    tokens: int = 64
    """Most tokens of a rollout that are measured, spread evenly over the eligible ones, at least 1. Planted decisions
    are measured besides: an even spread over a long rollout would miss nearly all of them."""
    continuations: int = 32
    """K, continuations from each token, an even number of at least 4."""
    split: str = "validation"
    """Where the prompts come from."""
    seed: int = 0
    """Decides all noise, 0 or more."""

    def __post_init__(self) -> None:
        for name in ("prompts", "rollouts", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.continuations < 4 or self.continuations % 2:
            raise ValueError(f"continuations must be an even number of at least 4, got {self.continuations}")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, got {self.seed}")


class Token(NamedTuple):
    """A token that was measured.

    Attributes:
        rollout: number of its rollout.
        position: its index among the rollout's policy tokens over their number, in [0, 1).
        text: the token.
        place: what it is part of.
        entropy: nats.
        log_omega: of its future value.
        ratings: value under each of `RULES`; the higher, the sooner the rule branches there.
        value: from all continuations.
        first_half: criticality by the first half of the continuations.
        second_half: criticality by the others.
    """

    rollout: int
    position: float
    text: str
    place: Place
    entropy: float
    log_omega: float
    ratings: tuple[float, ...]
    value: StateValue
    first_half: float
    second_half: float


class Measured(NamedTuple):
    """What was measured.

    Attributes:
        tokens: of all rollouts, in order.
        trees: the rollouts with all their continuations.
        noise_floor: spread of log Omega at equal weights; None where rows were cold for another reason.
    """

    tokens: list[Token]
    trees: list[RolloutTree]
    noise_floor: float | None


class _Site(NamedTuple):
    """A token before it is measured."""

    tree: int
    rollout: int
    point: BranchPoint
    own_index: int
    column: int
    row: int


def measure(agent: Agent, config: TrainConfig, how: MeasureConfig, say: Callable[[str], object]) -> Measured:
    """Run the experiment. The agent's weights move by one training step.

    Args:
        agent: whose policy is diagnosed.
        config: of its run.
        how: how much.
        say: told how far it is.

    Raises:
        RunError: no rollout has an eligible token, every environment broke, or no prompt leaves room.
    """
    tasks = env_tasks(agent, how.split)
    chosen = [tasks[place] for place in range(min(how.prompts, len(tasks)))]
    seed = derive_seed(how.seed, "diagnose")
    drawn = agent.collector.collect(chosen, how.rollouts, agent.sampler, seed, keep_states=True)
    trees = [trainable(tree) for tree in drawn]
    samples = [sample_of(place, tree, rollout) for place, tree in enumerate(trees) for rollout in tree]
    if not samples:
        error = next((rollout.error for tree in drawn for rollout in tree if rollout.error), None)
        why = "no prompt leaves room for a token" if error is None else f"the first error: {error}"
        raise RunError(f"none of {len(chosen)} prompts has a rollout that can be measured; {why}")
    batch = Batch.from_samples(samples)
    batch = replace(batch, old_logprobs=agent.learner.score(batch).logprobs)
    say(f"{len(samples)} rollouts; one training step")
    _training_step(agent, config, seed)
    chooser = BranchChooser(ScoreBranches(), config.future, agent.tokenizer, agent.learner)
    scored = score(batch, agent.learner, config.future)
    candidates = chooser.candidates(trees, scored, seed)[0]
    planted = _planted(agent, trees)
    sites = _sites(trees, batch, candidates, planted, how)
    if not sites:
        raise RunError("no token may be drawn again: every rollout holds white space and punctuation alone")
    grown, values = _continue(agent, trees, sites, how, seed, say)
    tokens = _tokens(agent, grown, sites, scored.scores.entropies.numpy(), candidates, planted, values)
    return Measured(tokens, grown, chooser.noise_floor)


def _training_step(agent: Agent, config: TrainConfig, seed: int) -> None:
    """As many updates as a step of the run has, on prompts of the training split and without branches."""
    plain = replace(config, plan=Independent(rollouts=max(2, config.plan.rollouts)), epochs=1)
    tasks = env_tasks(agent, "train")
    rng = np.random.default_rng(seed)
    chosen = [tasks[int(place)] for place in rng.integers(len(tasks), size=config.prompts_per_step)]
    Trainer(plain, agent.collector, agent.sampler, agent.learner).step(chosen, 0)


def _sites(
    trees: Sequence[RolloutTree],
    batch: Batch,
    candidates: Candidates,
    planted: Mapping[tuple[int, str], set[int]],
    how: MeasureConfig,
) -> list[_Site]:
    sites = []
    own_index = (batch.action_mask.cumsum(1) - 1).numpy()
    for row, key in enumerate(batch.keys):
        rollout = trees[key.tree].rollout(key.rollout)
        columns = candidates.eligible[row].nonzero()[:, 0].numpy()
        indices = own_index[row, columns]
        decides = planted[key.tree, key.rollout]
        for place in spread_places(indices.tolist(), decides, how.tokens):
            column, index = columns[place], int(indices[place])
            point = BranchPoint(key.rollout, *rollout.address(index), 0.0)
            sites.append(_Site(key.tree, row, point, index, int(column), row))
    return sites


def spread_places(indices: Sequence[int], planted: Container[int], most: int) -> list[int]:
    """Which of a rollout's eligible tokens are measured: `most` spread evenly, and all planted ones.

    Args:
        indices: the eligible tokens, as indices among the rollout's policy tokens.
        planted: indices of planted decisions.
        most: at least 1.

    Returns:
        Places in `indices`, rising.
    """
    even = np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(int).tolist()
    return sorted({*even, *(place for place, index in enumerate(indices) if index in planted)})


def _continue(
    agent: Agent,
    trees: Sequence[RolloutTree],
    sites: Sequence[_Site],
    how: MeasureConfig,
    seed: int,
    say: Callable[[str], object],
) -> tuple[list[RolloutTree], list[tuple[list[int], list[float]]]]:
    """The trees with K continuations of each site, and the first tokens and returns of each site."""
    agent.push_weights()
    grown = list(trees)
    found: list[tuple[list[int], list[float]]] = []
    step = max(1, _AT_ONCE // how.continuations)
    for start in range(0, len(sites), step):
        part = sites[start : start + step]
        branches = [PlacedBranch(site.tree, site.point) for site in part for _ in range(how.continuations)]
        # Grown from the bare trees, so that no part depends on how many came before it.
        finished = grow(trees, branches, agent.collector, agent.sampler, derive_seed(seed, start), keep_states=False)
        for site in part:
            mine = [each for each in finished[site.tree].branches if each.origin == site.point and each.error is None]
            found.append(([int(each.turns[0].action.token_ids[0]) for each in mine], [each.reward for each in mine]))
        for place, tree in enumerate(finished):
            renamed = [replace(each, id=f"{each.id}.{start}") for each in tree.branches if each.error is None]
            grown[place] = replace(grown[place], rollouts=(*grown[place].rollouts, *renamed))
        say(f"{min(start + step, len(sites)):,} of {len(sites):,} tokens measured")
    return grown, found


def _tokens(
    agent: Agent,
    trees: Sequence[RolloutTree],
    sites: Sequence[_Site],
    entropies: np.ndarray,
    candidates: Candidates,
    planted: Mapping[tuple[int, str], set[int]],
    values: Sequence[tuple[list[int], list[float]]],
) -> list[Token]:
    ratings = np.stack([_rating(name, candidates) for name in RULES], axis=-1)
    log_omega = candidates.log_omega.numpy()
    tokens = []
    for site, (actions, returns) in zip(sites, values, strict=True):
        if len(returns) < 4:
            continue  # Its environments broke; what is left is too little to judge.
        rollout = trees[site.tree].rollout(site.point.parent)
        token_id = int(rollout.turns[site.point.turn].action.token_ids[site.point.token])
        half = len(returns) // 2
        place = places_of(rollout, agent.tokenizer.decode)[site.own_index]
        tokens.append(
            Token(
                rollout=site.rollout,
                position=site.own_index / rollout.own_policy_tokens,
                text=agent.tokenizer.decode([token_id]),
                place="planted" if site.own_index in planted[site.tree, rollout.id] else place,
                entropy=float(entropies[site.row, site.column]),
                log_omega=float(log_omega[site.row, site.column]),
                ratings=tuple(float(value) for value in ratings[site.row, site.column]),
                value=state_value(actions, returns),
                first_half=state_value(actions[:half], returns[:half]).criticality,
                second_half=state_value(actions[half:], returns[half:]).criticality,
            )
        )
    return tokens


def _planted(agent: Agent, trees: Sequence[RolloutTree]) -> dict[tuple[int, str], set[int]]:
    """The policy tokens of each initial rollout that the task source knows to decide; none where it does not tell."""
    env = agent.collector.envs.acquire()
    source = tool_env(env).task_source
    agent.collector.envs.release(env)
    found: dict[tuple[int, str], set[int]] = {}
    for place, tree in enumerate(trees):
        for rollout in tree.initial:
            decides: set[int] = set()
            if isinstance(source, PlantedDecisions):
                text = " ".join(agent.tokenizer.decode(turn.action.token_ids.tolist()) for turn in rollout.turns)
                words = set(source.planted(tree.task, text))
                decides = {
                    index for index, word in enumerate(words_of(rollout, agent.tokenizer.decode)) if word in words
                }
            found[place, rollout.id] = decides
    return found


def _rating(name: str, candidates: Candidates) -> np.ndarray:
    if name == STRICT:
        strict = strict_score(CRITERIA["branching_score"](candidates).double(), candidates)
        return torch.where(candidates.entropy > 0, strict, NEVER).numpy()
    values = CRITERIA[name](candidates)
    # The rule draws among the first tokens after results, and takes no others.
    return (values + candidates.tool_boundary.float() if name == "tool_boundary" else values).numpy()
