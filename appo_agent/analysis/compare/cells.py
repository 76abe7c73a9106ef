"""The cells of a comparison: one training run each, with its settings and its place in the results folder.

Owns what belongs to which stage. All arms of an environment and seed begin with one cold start, a cell of its own, so
that they differ in what is compared and in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.commands.train import load_config
from appo_agent.training.config import TrainConfig

Stage = Literal["base", "explore", "pilot", "confirm"]
BASE = "cold_start"
"""The arm's name of the cells that make cold starts."""
SETTINGS, RUN, OUTCOME, CPU = "cell.toml", "run", "outcome.json", "cpu_seconds.json"
"""What lies in a cell's folder: the settings of its run, the run, what it found, what its programs spent so far."""


@dataclass(frozen=True)
class Cell:
    """One run of a comparison.

    Attributes:
        stage: "base" makes a cold start for the others.
        environment: name in the specification.
        arm: name in the specification; `BASE` for a cold start.
        rate: learning rate; 0 for a cold start.
        seed: of the run and of its cold start.
    """

    stage: Stage
    environment: str
    arm: str
    rate: float
    seed: int

    @property
    def path(self) -> Path:
        """Its folder within the results."""
        rate = () if self.stage in ("base", "confirm", "pilot") else (f"rate_{self.rate:g}",)
        return Path("cells", self.stage, self.environment, self.arm, *rate, f"seed_{self.seed}")

    @property
    def base(self) -> Cell:
        """The cell whose cold start it begins with."""
        return Cell("base", self.environment, BASE, 0.0, self.seed)

    def __str__(self) -> str:
        rate = f" at {self.rate:g}" if self.rate else ""
        return f"{self.stage}: {self.arm}{rate} on {self.environment}, seed {self.seed}"


Rates = Mapping[tuple[str, str], float]
"""The learning rate of every (environment, arm)."""


def explore_cells(spec: CompareSpec) -> list[Cell]:
    """Every rate of every arm that explores; none where there is only one rate."""
    if len(spec.learning_rates) == 1:
        return []
    return [
        Cell("explore", environment.name, arm, rate, seed)
        for environment in spec.environments
        for seed in spec.explore_seeds
        for rate in spec.learning_rates
        for arm in spec.arm_names
        if spec.rates_arm(arm) == arm
    ]


def pilot_cells(spec: CompareSpec, rates: Rates) -> list[Cell]:
    """The arms of the primary comparisons, once a pilot seed."""
    return [
        Cell("pilot", environment.name, arm, rates[environment.name, arm], seed)
        for environment in spec.environments
        for seed in spec.pilot_seeds
        for arm in spec.primary_arms
    ]


def confirm_cells(spec: CompareSpec, rates: Rates, pairs: Mapping[str, int]) -> list[Cell]:
    """The primary arms on all seeds, then the others on the first of them: what matters is there if time runs out.

    Args:
        spec: the comparison.
        rates: learning rates.
        pairs: seeds of each environment.
    """
    others = [name for name in spec.arm_names if name not in spec.primary_arms]
    most = max(pairs.values())
    return [
        Cell("confirm", environment.name, arm, rates[environment.name, arm], seed)
        for arms, places in ((spec.primary_arms, most), (others, spec.exploratory_pairs or most))
        for place in range(places)
        for environment in spec.environments
        if place < pairs[environment.name]
        for seed in [spec.confirm_seeds[place]]
        for arm in arms
    ]


def cell_config(spec: CompareSpec, cell: Cell, results: Path) -> TrainConfig:
    """The settings of a cell's run.

    Args:
        spec: the comparison.
        cell: one of it.
        results: the results folder, where its cold start lies.

    Raises:
        ConfigError: the settings are unknown or impossible.
    """
    environment = spec.environment(cell.environment)
    common = [*spec.settings, *environment.flags, "--seed", str(cell.seed), "--log_to"]
    if cell.stage == "base":
        return load_config(spec.preset, [*common, *_COLD_START_ONLY])
    split = "test" if cell.stage == "confirm" else "validation"
    own = ["--optimizer.learning_rate", repr(cell.rate), "--evaluation.split", split]
    # Absolute: the run keeps it, and may be taken up from another directory.
    policy = (results / cell.base.path / RUN / "policy").absolute()
    start = ["--cold_start.policy", str(policy), "--cold_start.steps", "0"]
    return load_config(spec.preset, [*common, *own, *spec.arm(cell.arm).flags, *start])


# A cold start is evaluated again by every cell that begins with it.
_COLD_START_ONLY = ("--token_budget", "0", "--evaluation.episodes", "1")
