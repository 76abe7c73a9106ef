"""The three stages of a comparison, each on seeds of its own, and the file in which each puts down what it decided.

    explore   every learning rate on the validation split: the best of each arm
    pilot     the primary arms at these rates: the spread of their differences, hence the pairs that are needed
    confirm   every arm on seeds that nobody saw, on the test split

The protocol is on file before the first confirmatory cell runs, and is never written again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from appo_agent.analysis.compare.cells import Cell, Rates, confirm_cells, explore_cells, pilot_cells
from appo_agent.analysis.compare.outcome import Outcome
from appo_agent.analysis.compare.results_dir import ResultsDir, read_json, write_json
from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.analysis.statistics import paired_power, pairs_for_power
from appo_agent.errors import RunError

Runner = Callable[[Sequence[Cell]], list[Outcome]]
"""Runs cells and gives their outcomes in order."""


class Tried(NamedTuple):
    """What exploration saw of a learning rate: validation success of each seed."""

    environment: str
    arm: str
    rate: float
    success: tuple[float, ...]


class PilotSpread(NamedTuple):
    """What the pilot saw of a primary comparison in an environment.

    Attributes:
        environment: name.
        first: arm.
        second: arm.
        mean: of the differences in success.
        deviation: standard deviation of the differences.
        pairs: needed for the wanted power at the target.
    """

    environment: str
    first: str
    second: str
    mean: float
    deviation: float
    pairs: int


@dataclass(frozen=True)
class Protocol:
    """What the confirmatory stage will do.

    Attributes:
        pairs: environment -> seeds that are run.
        power: environment -> probability to find the target difference in each of its primary comparisons.
        pilot: what the numbers follow from; empty without a pilot.
    """

    pairs: Mapping[str, int]
    power: Mapping[str, float]
    pilot: tuple[PilotSpread, ...]


def explore(spec: CompareSpec, folder: ResultsDir, run: Runner) -> Rates:
    """Choose each arm's learning rate in each environment; write it down.

    The best mean success on the validation split wins, the smaller rate among equals.
    """
    cells = explore_cells(spec)
    found: dict[tuple[str, str, float], list[float]] = {}
    for cell, outcome in zip(cells, run(cells), strict=True):
        found.setdefault((cell.environment, cell.arm, cell.rate), []).append(outcome.after)
    tried = [Tried(*key, tuple(success)) for key, success in found.items()]
    rates = {
        (environment.name, arm): _best_rate(spec, tried, environment.name, spec.rates_arm(arm))
        for environment in spec.environments
        for arm in spec.arm_names
    }
    write_json(
        folder.rates,
        {
            "chosen": [[environment, arm, rate] for (environment, arm), rate in rates.items()],
            "tried": [each._asdict() for each in tried],
        },
    )
    return rates


def _best_rate(spec: CompareSpec, tried: Sequence[Tried], environment: str, arm: str) -> float:
    if len(spec.learning_rates) == 1:
        return spec.learning_rates[0]
    mine = [each for each in tried if (each.environment, each.arm) == (environment, arm)]
    return max(mine, key=lambda each: (statistics.fmean(each.success), -each.rate)).rate


def read_rates(folder: ResultsDir) -> Rates:
    """What `explore` chose.

    Raises:
        RunError: it was not run.
    """
    if not folder.rates.is_file():
        raise RunError(f"{folder.path} has no learning rates yet; run the stage `explore`")
    return {(environment, arm): rate for environment, arm, rate in read_json(folder.rates)["chosen"]}


def pilot(spec: CompareSpec, folder: ResultsDir, run: Runner) -> Protocol:
    """Measure the spread of the primary differences, decide how many pairs are run, and write the protocol.

    A protocol that is on file is kept as it is.
    """
    if folder.protocol.is_file():
        return read_protocol(folder)
    cells = pilot_cells(spec, read_rates(folder))
    after = {
        (cell.environment, cell.arm, cell.seed): outcome.after for cell, outcome in zip(cells, run(cells), strict=True)
    }
    spreads = []
    for environment in (each.name for each in spec.environments) if spec.pilot_seeds else ():
        for first, second in spec.primaries:
            differences = [
                after[environment, first, seed] - after[environment, second, seed] for seed in spec.pilot_seeds
            ]
            spreads.append(_spread(spec, environment, first, second, differences))
    protocol = _protocol(spec, tuple(spreads))
    write_json(folder.protocol, {**asdict(protocol), "pilot": [spread._asdict() for spread in spreads]})
    return protocol


def _spread(spec: CompareSpec, environment: str, first: str, second: str, differences: Sequence[float]) -> PilotSpread:
    deviation = statistics.stdev(differences)
    # Equal differences in a short pilot do not mean that there is no noise: one question's worth is the least.
    try:
        pairs = pairs_for_power(spec.target_difference, max(deviation, 1e-3), spec.test_alpha, spec.power)
    except ValueError:
        # So many that nobody could run them: all that there are is what there will be.
        pairs = len(spec.confirm_seeds)
    # With fewer, a test by changing signs cannot reach its level whatever they show: its least p is 2 / 2 ** pairs.
    least = math.ceil(math.log2(2 / spec.test_alpha))
    return PilotSpread(environment, first, second, statistics.fmean(differences), deviation, max(pairs, least))


def _protocol(spec: CompareSpec, spreads: tuple[PilotSpread, ...]) -> Protocol:
    pairs, power = {}, {}
    available = len(spec.confirm_seeds)
    for environment in spec.environments:
        mine = [spread for spread in spreads if spread.environment == environment.name]
        wanted = max((spread.pairs for spread in mine), default=available)
        pairs[environment.name] = min(wanted, available)
        if mine:
            worst = max(max(spread.deviation for spread in mine), 1e-3)
            power[environment.name] = paired_power(
                pairs[environment.name], spec.target_difference, worst, spec.test_alpha
            )
    return Protocol(pairs, power, spreads)


def read_protocol(folder: ResultsDir) -> Protocol:
    """The protocol on file.

    Raises:
        RunError: there is none yet.
    """
    if not folder.protocol.is_file():
        raise RunError(f"{folder.path} has no protocol yet; run the stage `pilot`")
    values = read_json(folder.protocol)
    return Protocol(values["pairs"], values["power"], tuple(PilotSpread(**spread) for spread in values["pilot"]))


def confirm(spec: CompareSpec, folder: ResultsDir, run: Runner) -> list[tuple[Cell, Outcome]]:
    """Run what the protocol says.

    Raises:
        RunError: there is no protocol.
    """
    cells = confirm_cells(spec, read_rates(folder), read_protocol(folder).pairs)
    return list(zip(cells, run(cells), strict=True))
