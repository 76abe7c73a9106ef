"""Checks every cell of a comparison before the first one runs.

A comparison takes hours: an impossible setting of its last arm must not be found in the last of them.
"""

from __future__ import annotations

from pathlib import Path

from appo_agent.analysis.compare.cells import Cell, cell_config, explore_cells
from appo_agent.analysis.compare.spec import CompareSpec
from appo_agent.errors import ConfigError
from appo_agent.training.preflight import check_environment


def check_cells(spec: CompareSpec) -> None:
    """Resolve the settings of every arm in every environment.

    Raises:
        ConfigError: the settings of an arm or environment are impossible, a budget is too small for a single step, or
            no arm explores the rates; names the arm and the environment.
    """
    for environment in spec.environments:
        for arm in spec.arm_names:
            cell = Cell("confirm", environment.name, arm, spec.learning_rates[0], spec.confirm_seeds[0])
            try:
                config = cell_config(spec, cell, Path("results"))
                check_environment(config)
            except ConfigError as error:
                raise ConfigError(f"arm {arm} in environment {environment.name}: {error}") from error
            least = config.prompts_per_step * config.plan.first
            if config.token_budget < least:
                raise ConfigError(
                    f"arm {arm} in environment {environment.name}: a budget of {config.token_budget:,} tokens is not "
                    f"enough for one step of {least:,} rollouts, even if each had one token; raise token_budget"
                )
    if not explore_cells(spec) and len(spec.learning_rates) > 1:
        raise ConfigError("no arm explores the learning rates; leave one arm without rate_of")
