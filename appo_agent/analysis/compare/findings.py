"""All figures of a comparison as one value, with its JSON and its CSV.

Owns what is kept of a comparison. The JSON is small enough for a repository, and the report and the pictures are drawn
from it alone.
"""

from __future__ import annotations

import csv
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from appo_agent.analysis.compare.cells import Cell
from appo_agent.analysis.compare.outcome import Outcome, outcome_of
from appo_agent.analysis.compare.results_dir import ResultsDir, read_json, write_json
from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.analysis.compare.stages import PilotSpread, Protocol, Tried, read_protocol, read_rates
from appo_agent.analysis.compare.verdict import Difference, all_differences
from appo_agent.analysis.statistics import Interval
from appo_agent.errors import RunError

FINDINGS_VERSION = 1


@dataclass(frozen=True)
class Findings:
    """What a comparison found.

    Attributes:
        name: of the comparison.
        about: what it asks.
        versions: of what it ran on.
        target_difference: in success.
        alpha: level of all primary tests together.
        environments: names, in order.
        arms: names, in order.
        rates: (environment, arm, learning rate).
        tried: what exploration saw.
        protocol: what was decided before the confirmatory runs.
        outcomes: of the confirmatory cells.
        differences: primary ones first.
    """

    name: str
    about: str
    versions: Mapping[str, str]
    target_difference: float
    alpha: float
    environments: tuple[str, ...]
    arms: tuple[str, ...]
    rates: tuple[tuple[str, str, float], ...]
    tried: tuple[Tried, ...]
    protocol: Protocol
    outcomes: tuple[tuple[Cell, Outcome], ...]
    differences: tuple[Difference, ...]

    def of(self, environment: str, arm: str) -> list[Outcome]:
        """The outcomes of an arm in an environment, in the order of the seeds."""
        return [outcome for cell, outcome in self.outcomes if (cell.environment, cell.arm) == (environment, arm)]


def find(spec: CompareSpec, folder: ResultsDir, outcomes: Sequence[tuple[Cell, Outcome]]) -> Findings:
    """Gather everything once the confirmatory cells have run."""
    stored = read_json(folder.rates)
    return Findings(
        name=spec.name,
        about=spec.about,
        versions=_versions(),
        target_difference=spec.target_difference,
        alpha=spec.alpha,
        environments=tuple(environment.name for environment in spec.environments),
        arms=spec.arm_names,
        rates=tuple((environment, arm, rate) for (environment, arm), rate in read_rates(folder).items()),
        tried=tuple(_tried(each) for each in stored["tried"]),
        protocol=read_protocol(folder),
        outcomes=tuple(outcomes),
        differences=tuple(all_differences(spec, outcomes)),
    )


def write_findings(findings: Findings, path: Path) -> None:
    """Write the JSON."""
    write_json(path, {"findings_version": FINDINGS_VERSION, **asdict(findings)})


def read_findings(path: Path) -> Findings:
    """The inverse of `write_findings`.

    Raises:
        RunError: missing, damaged or of another version.
    """
    values = read_json(path)
    if not isinstance(values, dict) or values.pop("findings_version", None) != FINDINGS_VERSION:
        raise RunError(f"{path} holds no findings of version {FINDINGS_VERSION}; run the comparison again")
    return _findings_of(values)


def _findings_of(values: Mapping[str, Any]) -> Findings:
    protocol = values["protocol"]
    return Findings(
        **{
            **values,
            "environments": tuple(values["environments"]),
            "arms": tuple(values["arms"]),
            "rates": tuple((environment, arm, rate) for environment, arm, rate in values["rates"]),
            "tried": tuple(map(_tried, values["tried"])),
            "protocol": Protocol(
                protocol["pairs"], protocol["power"], tuple(PilotSpread(*each) for each in protocol["pilot"])
            ),
            "outcomes": tuple((Cell(**cell), outcome_of(outcome)) for cell, outcome in values["outcomes"]),
            "differences": tuple(_difference(each) for each in values["differences"]),
        }
    )


def _tried(values: Any) -> Tried:
    """From a mapping, as `rates.json` has it, or from a list, as `asdict` leaves a named tuple."""
    tried = Tried(**values) if isinstance(values, dict) else Tried(*values)
    return tried._replace(success=tuple(tried.success))


def _difference(values: Mapping[str, Any]) -> Difference:
    return Difference(
        **{**values, "differences": tuple(values["differences"]), "interval": Interval(*values["interval"])}
    )


def _versions() -> dict[str, str]:
    packages = ("appo-gym", "torch", "numpy", "gymnasium")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def write_table(findings: Findings, path: Path) -> None:
    """One line a confirmatory cell, CSV: what ran, what it found and what it took."""
    rows = [_row(cell, outcome) for cell, outcome in findings.outcomes]
    phases = sorted({name for row in rows for name in row if name.startswith("seconds_")})
    names = [*(name for name in rows[0] if not name.startswith("seconds_")), *phases]
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, names, restval=0.0)
        table.writeheader()
        table.writerows(rows)


def _row(cell: Cell, outcome: Outcome) -> dict[str, object]:
    spent = asdict(outcome.spent)
    phases = spent.pop("phase_seconds")
    return {
        "environment": cell.environment,
        "arm": cell.arm,
        "seed": cell.seed,
        "rate": cell.rate,
        "before": outcome.before,
        "after": outcome.after,
        "episodes": outcome.episodes,
        **spent,
        **{f"seconds_{name}": seconds for name, seconds in phases.items()},
    }
