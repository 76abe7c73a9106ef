"""A diagnosis as JSON: whole, or brief enough for a repository.

Owns the file's form: named tuples are lists, and figures that do not exist are null.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from appo_agent.analysis.compare.results_dir import read_json, write_json
from appo_agent.analysis.diagnose.clusters import Cluster
from appo_agent.analysis.diagnose.diagnosis import BinFigures, DiagnoseConfig, Diagnosis, PlaceFigures
from appo_agent.analysis.diagnose.gradients import GradientNoise
from appo_agent.analysis.diagnose.measure import MeasureConfig, Token
from appo_agent.analysis.diagnose.rules import RuleFigures
from appo_agent.analysis.diagnose.training_signal import OmegaSignal
from appo_agent.analysis.diagnose.values import StateValue
from appo_agent.analysis.statistics import Interval
from appo_agent.errors import RunError

DIAGNOSIS_VERSION = 1


def write_diagnosis(diagnosis: Diagnosis, path: Path, *, brief: bool = False) -> None:
    """Write it as JSON.

    Args:
        diagnosis: what was found.
        path: of the file.
        brief: leave out single tokens, branches, and all steps of training but the first and the last.

    Raises:
        RunError: the disk refused.
    """
    if brief:
        ends = diagnosis.omega[:: max(1, len(diagnosis.omega) - 1)]
        diagnosis = replace(diagnosis, tokens=(), branches=(), omega=ends)
    write_json(path, {"diagnosis_version": DIAGNOSIS_VERSION, **_without_nan(asdict(diagnosis))})


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def read_diagnosis(path: Path) -> Diagnosis:
    """The inverse of `write_diagnosis`.

    Raises:
        RunError: missing, damaged or of another version.
    """
    values = read_json(path)
    if not isinstance(values, dict) or values.pop("diagnosis_version", None) != DIAGNOSIS_VERSION:
        raise RunError(f"{path} holds no diagnosis of version {DIAGNOSIS_VERSION}; diagnose the run again")
    config = values["config"]
    return Diagnosis(
        **{
            **values,
            "rules": tuple(values["rules"]),
            "config": DiagnoseConfig(**{**config, "measure": MeasureConfig(**config["measure"])}),
            "tokens": tuple(_token(each) for each in values["tokens"]),
            "bins": tuple(BinFigures(*each) for each in values["bins"]),
            "rule_figures": tuple(_rule(*each) for each in values["rule_figures"]),
            "places": tuple(
                PlaceFigures(place, tokens, criticality, tuple(chosen))
                for place, tokens, criticality, chosen in values["places"]
            ),
            "words": tuple(tuple((word, count) for word, count in each) for each in values["words"]),
            "gradients": tuple(
                GradientNoise(name, tokens, variance, signal, _number(noise), _interval(interval))
                for name, tokens, variance, signal, noise, interval in values["gradients"]
            ),
            "omega": tuple(OmegaSignal(each[0], tuple(each[1]), each[2]) for each in values["omega"]),
            "branches": tuple(Cluster(*each) for each in values["branches"]),
        }
    )


def _token(values: list[Any]) -> Token:
    token = Token(*values)
    return token._replace(ratings=tuple(token.ratings), value=StateValue(*token.value))


def _rule(
    name: str, correlation: float | None, first: list[Any], captured: float | None, second: list[Any]
) -> RuleFigures:
    return RuleFigures(name, _number(correlation), _interval(first), _number(captured), _interval(second))


def _interval(values: list[float | None]) -> Interval:
    low, high = map(_number, values)
    return Interval(low, high)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
