"""`appo check-env`: gymnasium's own checks and the promise to fork, for any registered environment."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env

import appo_envs
from appo_agent.errors import ConfigError, did_you_mean
from appo_envs.actions import ActionSpace
from appo_envs.registration import env_ids

CALLS = 6
"""Actions of an episode that nobody demonstrates; an answer among them ends it."""
HELP = "Check that an environment follows gymnasium's interface and can be forked; exits with 1 if not."


@dataclass(frozen=True)
class EnvCheck:
    """One check of an environment.

    Attributes:
        name: what was checked.
        passed: whether it held.
        detail: what was wrong; "" when it passed.
    """

    name: str
    passed: bool
    detail: str


def run(argv: Sequence[str]) -> int:
    """Check one environment and print what was found."""
    parser = argparse.ArgumentParser(prog="appo check-env", description=HELP, allow_abbrev=False)
    parser.add_argument("id", help="gymnasium id, such as appo/MathPython-v0 or my_module:my/Env-v0")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args(argv)
    env = _make(options.id)
    try:
        results = [
            _check("gymnasium interface", lambda: check_env(env.unwrapped, skip_render_check=True)),
            _check("forking", lambda: appo_envs.check_fork(env, _calls(env))),
        ]
    finally:
        env.close()
    if options.json:
        print(json.dumps([asdict(result) for result in results]))
    else:
        for result in results:
            print(f"{'ok' if result.passed else 'failed':<7} {result.name}  {result.detail}".rstrip())
    return int(not all(result.passed for result in results))


def _make(env_id: str) -> gymnasium.Env:
    try:
        return gymnasium.make(env_id)
    except (gymnasium.error.UnregisteredEnv, ModuleNotFoundError) as error:
        raise ConfigError(f"no environment {env_id!r}{did_you_mean(env_id, env_ids())}") from error


def _calls(env: gymnasium.Env) -> list[str] | None:
    """Random calls of the tools where nobody demonstrates the tasks; None where somebody does."""
    inner = env.unwrapped
    if not isinstance(inner, appo_envs.ToolEnv):
        return None
    _, info = env.reset(seed=0)
    try:
        inner.task_source.expert(inner.task_source.task(info["task"]), np.random.default_rng(0))
    except ValueError:
        space = ActionSpace(inner.tool_schemas, seed=0)
        # An environment takes these in the place of texts, whatever its action format.
        return [cast(str, space.sample()) for _ in range(CALLS)]
    return None


def _check(name: str, verify: Callable[[], object]) -> EnvCheck:
    try:
        with warnings.catch_warnings():
            # Advice such as "use a symmetric action space" is not a broken promise.
            warnings.simplefilter("ignore")
            verify()
    except (AssertionError, TypeError, ValueError, RuntimeError, gymnasium.error.Error) as error:
        return EnvCheck(name, False, f"{type(error).__name__}: {error}")
    return EnvCheck(name, True, "")
