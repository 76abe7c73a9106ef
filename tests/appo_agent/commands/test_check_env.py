"""`appo check-env` on environments that keep their promises and on one that does not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import registry

import appo_envs
from appo_agent.commands.main import main


class Stuck(gymnasium.Env[np.int64, np.int64]):
    """Returns observations that its space does not hold."""

    observation_space = spaces.Discrete(2)
    action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, object] | None = None
    ) -> tuple[np.int64, dict[str, object]]:
        super().reset(seed=seed)
        return np.int64(7), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, object]]:
        return np.int64(7), 0.0, True, False, {}


@pytest.fixture
def stuck_id() -> Iterator[str]:
    gymnasium.register("test/Stuck-v0", entry_point=f"{__name__}:Stuck")
    yield "test/Stuck-v0"
    del registry["test/Stuck-v0"]


def test_own_environment_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-env", "appo/KnowledgeQA-v0"]) == 0
    assert capsys.readouterr().out.splitlines() == ["ok      gymnasium interface", "ok      forking"]


def test_tasks_that_nobody_demonstrates_are_played_with_random_calls(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts: list[int] = []

    @appo_envs.tool
    def note(text: str) -> str:
        """Keep a text."""
        return f"{len(text)} characters"

    @appo_envs.tool
    def shared(text: str) -> str:
        """Count calls in a place that forks share, which they must not."""
        counts.append(1)
        return str(len(counts))

    tasks = [appo_envs.Task("one", "which ?", "this")]
    for env_id, tool in (("test/Note-v0", note), ("test/Shared-v0", shared)):
        appo_envs.register_tool_env(env_id, tasks=tasks, tools=[tool], grade=lambda answer, gold: answer == gold)
    try:
        assert main(["check-env", "test/Note-v0"]) == 0
        assert capsys.readouterr().out.splitlines()[1] == "ok      forking"
        assert main(["check-env", "test/Shared-v0"]) == 1
        assert "failed  forking  ForkError" in capsys.readouterr().out
    finally:
        del registry["test/Note-v0"], registry["test/Shared-v0"]


def test_environment_that_breaks_its_space_fails_and_says_how(
    stuck_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-env", stuck_id, "--json"]) == 1
    interface, forking = json.loads(capsys.readouterr().out)
    assert (interface["name"], interface["passed"]) == ("gymnasium interface", False)
    assert "not within the observation space" in interface["detail"]
    assert (forking["name"], forking["passed"]) == ("forking", False)


def test_unknown_id_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-env", "appo/KnowlegeQA-v0"]) == 2
    assert capsys.readouterr().err == (
        "appo: no environment 'appo/KnowlegeQA-v0'; did you mean 'appo/KnowledgeQA-v0'?\n"
    )


@pytest.mark.parametrize("name", ["no_such_module:x/Y-v0", "Nothing-v0", "appo/KnowledgeQA-v9"])
def test_other_unknown_ids_are_one_line_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-env", name]) == 2
    assert capsys.readouterr().err.startswith(f"appo: no environment {name!r}")
