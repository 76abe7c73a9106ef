"""What follows from the outcomes: every difference that the comparison asks about, with its interval and its test.

Pairs are runs of equal environment and seed, hence of equal cold start. Primary differences are tested, and corrected
by Holm over all of them in all environments; all others are exploratory: an interval and no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from appo_agent.analysis.compare.cells import Cell
from appo_agent.analysis.compare.outcome import Outcome
from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.analysis.statistics import (
    Interval,
    bootstrap_interval,
    holm,
    paired_permutation,
    paired_power,
    probability_of_improvement,
)

Answer = Literal["yes", "smaller", "worse", "no", "open", "exploratory"]
ANSWERS: Mapping[Answer, str] = {
    "yes": "better, and the estimate reaches the target",
    "smaller": "better, but the estimate does not reach the target",
    "worse": "worse",
    "no": "not better by the target: the interval excludes it",
    "open": "undecided",
    "exploratory": "",
}
RESAMPLING_SEED = 0


@dataclass(frozen=True)
class Difference:
    """Success of one arm minus that of another, over pairs.

    Attributes:
        environment: name.
        first: arm.
        second: arm.
        differences: of each pair, in the order of the seeds.
        mean: of the differences.
        interval: 95% bootstrap interval of the mean.
        p: of the paired permutation test; None where exploratory.
        adjusted_p: after Holm's correction; None where exploratory.
        improvement: share of the pairs in which `first` was better.
        power: to find the target difference, from the spread that was observed; None where exploratory.
        answer: what follows.
    """

    environment: str
    first: str
    second: str
    differences: tuple[float, ...]
    mean: float
    interval: Interval
    p: float | None
    adjusted_p: float | None
    improvement: float
    power: float | None
    answer: Answer

    @property
    def primary(self) -> bool:
        """Whether the comparison was made for this difference."""
        return self.p is not None


Outcomes = Sequence[tuple[Cell, Outcome]]


def all_differences(spec: CompareSpec, outcomes: Outcomes) -> list[Difference]:
    """Every difference that is asked about.

    Primary ones first; then every other arm against the reference, which is the second arm of the first primary; then
    every arm with the rate of another against that one, from which it differs in one thing.

    Args:
        spec: the comparison.
        outcomes: of the confirmatory cells.
    """
    after = {(cell.environment, cell.arm, cell.seed): outcome.after for cell, outcome in outcomes}
    names = [environment.name for environment in spec.environments]
    asked = [(name, first, second) for name in names for first, second in spec.primaries]
    pairs = [_paired(after, *question) for question in asked]
    p_values = [paired_permutation(differences, RESAMPLING_SEED) for differences in pairs]
    found = [
        _primary(spec, question, differences, p, adjusted)
        for question, differences, p, adjusted in zip(asked, pairs, p_values, holm(p_values), strict=True)
    ]
    reference = spec.primaries[0].second
    rivals = [*((arm, reference) for arm in spec.arm_names if arm != reference), *spec.rates_of.items()]
    others = [(name, *pair) for name in names for pair in dict.fromkeys(rivals) if (name, *pair) not in asked]
    return found + [_exploratory(question, _paired(after, *question)) for question in others]


def _paired(after: Mapping[tuple[str, str, int], float], environment: str, first: str, second: str) -> list[float]:
    seeds = [seed for name, arm, seed in after if (name, arm) == (environment, first)]
    return [
        after[environment, first, seed] - after[environment, second, seed]
        for seed in seeds
        if (environment, second, seed) in after
    ]


def _primary(
    spec: CompareSpec, question: tuple[str, str, str], differences: Sequence[float], p: float, adjusted: float
) -> Difference:
    mean, interval = float(np.mean(differences)), bootstrap_interval(differences, RESAMPLING_SEED)
    spread = float(np.std(differences, ddof=1))
    power = 1.0 if spread == 0 else paired_power(len(differences), spec.target_difference, spread, spec.test_alpha)
    return Difference(
        *question,
        differences=tuple(differences),
        mean=mean,
        interval=interval,
        p=p,
        adjusted_p=adjusted,
        improvement=probability_of_improvement(differences),
        power=power,
        answer=answer_of(mean, interval, adjusted, spec),
    )


def answer_of(mean: float, interval: Interval, adjusted_p: float, spec: CompareSpec) -> Answer:
    """What a primary difference says about the target."""
    if adjusted_p < spec.alpha and mean < 0:
        return "worse"
    if adjusted_p < spec.alpha and mean >= spec.target_difference:
        return "yes"
    if interval.high < spec.target_difference:
        return "no"
    return "smaller" if adjusted_p < spec.alpha else "open"


def _exploratory(question: tuple[str, str, str], differences: Sequence[float]) -> Difference:
    return Difference(
        *question,
        differences=tuple(differences),
        mean=float(np.mean(differences)),
        interval=bootstrap_interval(differences, RESAMPLING_SEED),
        p=None,
        adjusted_p=None,
        improvement=probability_of_improvement(differences),
        power=None,
        answer="exploratory",
    )
