"""What is compared, as a TOML file says it: environments, arms, seeds, learning rates, the question and its power.

    name = "smoke"
    preset = "quick"
    learning_rates = [2e-4, 4e-4]
    explore_seeds = [30]
    pilot_seeds = [40, 41]
    confirm_seeds = [50, 51, 52]
    primaries = [["appo", "grpo"]]

    [settings]                        # of `appo train`, in every cell
    token_budget = 60_000

    [environments.knowledge_qa]       # settings too
    env = "appo/KnowledgeQA-v0"

    [arms.appo]
    algorithm = "appo"

    [arms.grpo]
    algorithm = "grpo"
    plan.rollouts = 16

An arm with `rate_of = "appo"` explores no rates and takes those of that arm.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from appo_agent.commands.parse import flags_of
from appo_agent.errors import ConfigError, did_you_mean

SPECS = Path(__file__).parent / "specs"


class Primary(NamedTuple):
    """A question that the comparison was made for: is `first` better than `second`? Both are names of arms."""

    first: str
    second: str


class Variant(NamedTuple):
    """An environment or an arm: its name, and its settings as flags of `appo train`."""

    name: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class CompareSpec:
    """One comparison.

    Attributes:
        name: of the comparison.
        about: what it asks, in a sentence or two.
        preset: of `appo train`, or a configuration file; the base of every cell.
        settings: flags of every cell.
        environments: where it is compared, at least one.
        arms: what is compared, at least two.
        rates_of: arm -> the arm whose learning rates it takes; the others explore.
        learning_rates: tried by each arm that explores.
        explore_seeds: for choosing the rates, on the validation split.
        pilot_seeds: for the spread of the differences, on the validation split; at least two, or none.
        confirm_seeds: never used before; the first n are run, on the test split.
        primaries: what is tested; all other differences are exploratory.
        target_difference: in success, above 0; what `power` is meant for.
        power: wanted probability to find the target.
        alpha: level of all tests of primaries together.
        exploratory_pairs: most seeds of the arms in no primary comparison; 0: as many as the others.
        pass_samples: largest k of the pass@k curves; 0: none.
        pass_questions: questions of the pass@k curves.
    """

    name: str
    preset: str
    settings: tuple[str, ...]
    environments: tuple[Variant, ...]
    arms: tuple[Variant, ...]
    rates_of: Mapping[str, str]
    learning_rates: tuple[float, ...]
    explore_seeds: tuple[int, ...]
    confirm_seeds: tuple[int, ...]
    primaries: tuple[Primary, ...]
    pilot_seeds: tuple[int, ...] = ()
    about: str = ""
    target_difference: float = 0.04
    power: float = 0.8
    alpha: float = 0.05
    exploratory_pairs: int = 0
    pass_samples: int = 0
    pass_questions: int = 128

    def __post_init__(self) -> None:
        arms = self.arm_names
        _check(len(arms) >= 2, f"needs at least two arms, got {', '.join(arms) or 'none'}")
        _check(bool(self.environments), "needs at least one environment")
        _check(bool(self.learning_rates), "needs at least one learning rate")
        _check(bool(self.primaries), "needs at least one primary comparison")
        _check(len(self.confirm_seeds) >= 2, "needs at least two confirm_seeds")
        _check(len(self.pilot_seeds) != 1, "one pilot seed shows no spread; give two or more, or none")
        _check(self.target_difference > 0, f"target_difference must be above 0, got {self.target_difference}")
        _check(0 < self.alpha < 1 and 0 < self.power < 1, "alpha and power must be in (0, 1)")
        _check(self.exploratory_pairs != 1 and self.exploratory_pairs >= 0, "exploratory_pairs must be 0, or 2 or more")
        _check(self.pass_samples >= 0 and self.pass_questions >= 1, "pass_samples and pass_questions are too small")
        for primary in self.primaries:
            for name in primary:
                _check(name in arms, f"primaries: no arm {name!r}{did_you_mean(name, arms)}")
            _check(primary.first != primary.second, f"primaries: {primary.first} is compared with itself")
        for name, other in self.rates_of.items():
            _check(other in arms and other not in self.rates_of, f"arms.{name}.rate_of: {other!r} explores no rates")
        if len(self.learning_rates) > 1:
            _check(bool(self.explore_seeds), "a choice of learning rates needs explore_seeds")
        _check_seeds({"explore": self.explore_seeds, "pilot": self.pilot_seeds, "confirm": self.confirm_seeds})

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Of all arms, in the file's order."""
        return tuple(arm.name for arm in self.arms)

    @property
    def primary_arms(self) -> tuple[str, ...]:
        """The arms of the primary comparisons, in the file's order."""
        return tuple(name for name in self.arm_names if any(name in primary for primary in self.primaries))

    @property
    def test_alpha(self) -> float:
        """The level that a single primary test may have to meet: Holm's hardest, one test a primary and environment."""
        return self.alpha / (len(self.primaries) * len(self.environments))

    def environment(self, name: str) -> Variant:
        """The environment of that name."""
        return next(variant for variant in self.environments if variant.name == name)

    def arm(self, name: str) -> Variant:
        """The arm of that name."""
        return next(variant for variant in self.arms if variant.name == name)

    def rates_arm(self, arm: str) -> str:
        """The arm whose learning rates `arm` takes: itself, or another."""
        return self.rates_of.get(arm, arm)


def load_spec(source: str) -> CompareSpec:
    """Read a specification.

    Args:
        source: a TOML file, or the name of a shipped one.

    Raises:
        ConfigError: no such file, unknown keys, impossible values; says which.
    """
    shipped = spec_names()
    path = SPECS / f"{source}.toml" if source in shipped else Path(source)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no file or specification {source!r}{did_you_mean(source, shipped)}") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    try:
        return spec_of(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def spec_names() -> list[str]:
    """Names of the shipped specifications."""
    return sorted(path.stem for path in SPECS.glob("*.toml"))


def spec_of(table: Mapping[str, Any]) -> CompareSpec:
    """A specification from the tables of its file.

    Raises:
        ConfigError: unknown keys or impossible values; says which.
    """
    values = dict(table)
    known = {field.name for field in fields(CompareSpec)} - {"rates_of"}
    for key in values:
        _check(key in known, f"unknown key {key!r}{did_you_mean(key, known)}")
    missing = {"name", "preset", "environments", "arms", "learning_rates", "confirm_seeds", "primaries"} - set(values)
    _check(not missing, f"missing: {', '.join(sorted(missing))}")
    arms = {name: dict(settings) for name, settings in values.pop("arms").items()}
    rates_of = {name: str(settings.pop("rate_of")) for name, settings in arms.items() if "rate_of" in settings}
    for name, settings in arms.items():
        _check("algorithm" in settings, f"arms.{name} names no algorithm")
    environments = values.pop("environments")
    try:
        return CompareSpec(
            **{
                **values,
                "settings": tuple(flags_of(values.get("settings", {}))),
                "environments": _variants(environments),
                "arms": _variants(arms),
                "rates_of": rates_of,
                "learning_rates": tuple(map(float, values["learning_rates"])),
                "explore_seeds": _seeds(values, "explore_seeds"),
                "pilot_seeds": _seeds(values, "pilot_seeds"),
                "confirm_seeds": _seeds(values, "confirm_seeds"),
                "primaries": tuple(Primary(*map(str, pair)) for pair in values["primaries"]),
            }
        )
    except TypeError as error:
        raise ConfigError(f"a value has the wrong form: {error}") from error


def _variants(tables: Mapping[str, Mapping[str, Any]]) -> tuple[Variant, ...]:
    for name in tables:
        _check(name.replace("_", "").replace("-", "").isalnum(), f"{name!r} cannot name a folder")
    return tuple(Variant(name, tuple(flags_of(settings))) for name, settings in tables.items())


def _seeds(values: Mapping[str, Any], key: str) -> tuple[int, ...]:
    seeds = values.get(key, [])
    _check(all(isinstance(seed, int) and seed >= 0 for seed in seeds), f"{key} must be whole numbers of 0 or more")
    return tuple(seeds)


def _check_seeds(stages: Mapping[str, Sequence[int]]) -> None:
    """A seed that was seen in one stage proves nothing in another."""
    seen: dict[int, str] = {}
    for stage, seeds in stages.items():
        for seed in seeds:
            _check(seed not in seen, f"seed {seed} is in {seen.get(seed)}_seeds and in {stage}_seeds: use each once")
            seen[seed] = stage


def _check(holds: bool, complaint: str) -> None:
    if not holds:
        raise ConfigError(complaint)
