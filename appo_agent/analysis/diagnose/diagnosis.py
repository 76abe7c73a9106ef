"""Everything that is measured of a run, as one value.

Owns the order of the measurements and what is kept of them.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from appo_agent.algorithms.plan import ScoreBranches
from appo_agent.analysis.diagnose.clusters import Cluster, branch_map
from appo_agent.analysis.diagnose.gradients import GradientNoise, gradient_noise
from appo_agent.analysis.diagnose.measure import NEVER, RULES, MeasureConfig, Token, measure
from appo_agent.analysis.diagnose.places import PLACES, Place
from appo_agent.analysis.diagnose.rules import BINS, RuleFigures, position_bins, rule_figures
from appo_agent.analysis.diagnose.training_signal import OmegaSignal, omega_signal
from appo_agent.errors import RunError
from appo_agent.training.build import Agent
from appo_agent.training.config import TrainConfig
from appo_agent.training.metrics import read_metrics
from appo_agent.training.run_dir import RunDir

SHOWN_WORDS = 30


@dataclass(frozen=True)
class DiagnoseConfig:
    """How much is measured."""

    measure: MeasureConfig = field(default_factory=MeasureConfig)
    """Tokens and continuations."""
    branches: int = 3
    """B, tokens that each rule chooses in a rollout, at least 1."""
    gradient_draws: int = 12
    """Draws of the gradient, at least 3; 0 leaves the gradients out."""
    gradient_prompts: int = 4
    """Prompts of each draw, at least 1."""

    def __post_init__(self) -> None:
        if self.branches < 1 or self.gradient_prompts < 1:
            raise ValueError("branches and gradient_prompts must be at least 1")
        if self.gradient_draws != 0 and self.gradient_draws < 3:
            raise ValueError(f"gradient_draws must be 0 or at least 3, got {self.gradient_draws}")


class BinFigures(NamedTuple):
    """A fifth of the rollouts' length: means over its tokens."""

    tokens: int
    variance: float
    criticality: float
    entropy: float


class PlaceFigures(NamedTuple):
    """A place in a turn.

    Attributes:
        place: which.
        tokens: share of the measured tokens that stand there.
        criticality: mean over them; 0 where there are none.
        chosen: for each rule, the share of its choices that fall there.
    """

    place: Place
    tokens: float
    criticality: float
    chosen: tuple[float, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        run: name of the run's folder.
        algorithm: of the run.
        env: of the run.
        seed: of the run.
        rules: names, in the order of all figures by rule.
        config: how much was measured.
        measured_tokens: how many.
        measured_rollouts: that they are of.
        tokens: that were measured; empty in a brief file.
        bins: of position, in order.
        rule_figures: of each rule, and of the oracle.
        places: where tokens and choices fall.
        words: for each rule, the tokens that it chooses most, with their counts.
        gradients: noise of the run's algorithm and of GRPO; empty when left out.
        omega: Omega's spread over training.
        noise_floor: spread of log Omega at equal weights.
        branches: of the map; empty where there are too few, and in a brief file.
    """

    run: str
    algorithm: str
    env: str
    seed: int
    rules: tuple[str, ...]
    config: DiagnoseConfig
    measured_tokens: int
    measured_rollouts: int
    tokens: tuple[Token, ...]
    bins: tuple[BinFigures, ...]
    rule_figures: tuple[RuleFigures, ...]
    places: tuple[PlaceFigures, ...]
    words: tuple[tuple[tuple[str, int], ...], ...]
    gradients: tuple[GradientNoise, ...]
    omega: tuple[OmegaSignal, ...]
    noise_floor: float | None
    branches: tuple[Cluster, ...]


def diagnose(
    agent: Agent, config: TrainConfig, directory: RunDir, how: DiagnoseConfig, say: Callable[[str], object]
) -> Diagnosis:
    """Measure a run's policy.

    Args:
        agent: built from the run, at the weights to diagnose; they move by one step.
        config: of the run.
        directory: of the run.
        how: how much.
        say: told how far it is.

    Raises:
        RunError: nothing can be measured.
    """
    gradients: list[GradientNoise] = []
    if how.gradient_draws:
        say(f"gradients of {how.gradient_draws} draws")
        gradients = gradient_noise(agent, config, how.gradient_prompts, how.gradient_draws, how.measure.seed)
    measured = measure(agent, config, how.measure, say)
    tokens = measured.tokens
    if not tokens:
        raise RunError("every continuation broke in its environment; nothing was measured")
    rows = read_metrics(directory.metrics) if directory.metrics.is_file() else []
    return Diagnosis(
        run=directory.path.name,
        algorithm=config.algorithm,
        env=config.env,
        seed=config.seed,
        rules=RULES,
        config=how,
        measured_tokens=len(tokens),
        measured_rollouts=len({token.rollout for token in tokens}),
        tokens=tuple(tokens),
        bins=tuple(_bin(tokens, number) for number in range(BINS)),
        rule_figures=tuple(rule_figures(tokens, how.branches, how.measure.seed)),
        places=tuple(_place(tokens, place, how.branches) for place in PLACES),
        words=tuple(_words(chosen(tokens, rule, how.branches)) for rule in range(len(RULES))),
        gradients=tuple(gradients),
        omega=tuple(omega_signal(rows)),
        noise_floor=measured.noise_floor,
        branches=tuple(branch_map(measured.trees)),
    )


def branches_of(config: TrainConfig) -> int:
    """B of the run's plan; 3 where it does not branch at tokens."""
    return config.plan.branches if isinstance(config.plan, ScoreBranches) else 3


def chosen(tokens: Sequence[Token], rule: int, branches: int) -> list[Token]:
    """The tokens that a rule chooses: the best rated of each rollout, fewer where it takes no others."""
    found = []
    for rollout in dict.fromkeys(token.rollout for token in tokens):
        mine = [token for token in tokens if token.rollout == rollout and token.ratings[rule] > NEVER]
        found += sorted(mine, key=lambda token: -token.ratings[rule])[:branches]
    return found


def _bin(tokens: Sequence[Token], number: int) -> BinFigures:
    inside = [token for token, place in zip(tokens, position_bins(tokens), strict=True) if place == number]
    return BinFigures(
        len(inside),
        _mean([token.value.variance for token in inside]),
        _mean([token.value.criticality for token in inside]),
        _mean([token.entropy for token in inside]),
    )


def _place(tokens: Sequence[Token], place: Place, branches: int) -> PlaceFigures:
    inside = [token for token in tokens if token.place == place]
    shares = []
    for rule in range(len(RULES)):
        picks = chosen(tokens, rule, branches)
        shares.append(_mean([float(token.place == place) for token in picks]))
    criticality = _mean([token.value.criticality for token in inside])
    return PlaceFigures(place, len(inside) / len(tokens), criticality, tuple(shares))


def _words(picks: Sequence[Token]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(token.text.strip() for token in picks).most_common(SHOWN_WORDS))


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0
