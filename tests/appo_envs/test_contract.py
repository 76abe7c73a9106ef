"""What every registered environment promises."""

import warnings
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.utils.env_checker import check_env

import appo_envs
from appo_envs.env import ToolEnv
from appo_envs.registration import env_ids
from appo_envs.tasks import Task


@pytest.fixture(params=env_ids())
def env(request: pytest.FixtureRequest) -> Iterator[ToolEnv]:
    env = gymnasium.make(request.param, disable_env_checker=True).unwrapped
    assert isinstance(env, ToolEnv)
    yield env
    env.close()


def _demonstrate(env: ToolEnv, task: Task, seed: int) -> tuple[list[str], list[str], dict[str, object]]:
    """Play the demonstrator; returns its actions, the observations and the last info."""
    observation, info = env.reset(seed=0, options={"task": task.id})
    expert = env.task_source.expert(task, np.random.default_rng(seed))
    actions, observations, over = [], [observation], False
    while not over:
        actions.append(expert.act(observation))
        observation, _, terminated, truncated, info = env.step(actions[-1])
        observations.append(observation)
        over = terminated or truncated
    return actions, observations, info


def test_gymnasium_finds_nothing_wrong(env: ToolEnv) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        wrapped = gymnasium.make(env.spec.id) if env.spec else env
        check_env(wrapped)
        wrapped.close()


def test_it_forks_bare_and_wrapped(env: ToolEnv) -> None:
    appo_envs.check_fork(env)
    appo_envs.check_fork(wrappers.RecordEpisodeStatistics(wrappers.TimeLimit(wrappers.OrderEnforcing(env), 5)))


def test_the_demonstrator_keeps_the_format_and_succeeds_about_as_often_as_expected(env: ToolEnv) -> None:
    tasks = env.tasks("train")[:150]
    results = [_demonstrate(env, task, seed)[2] for seed, task in enumerate(tasks)]
    assert all(info["format_ok"] for info in results)
    success = sum(bool(info["is_success"]) for info in results) / len(results)
    # Means over many tasks; four standard deviations of 150 episodes are .15 to .16.
    expected = {
        "appo/DeepSearch-v0": 0.7,
        "appo/KnowledgeQA-v0": 0.29,
        "appo/Ledger-v0": 0.25,
        "appo/MathPython-v0": 0.5,
    }
    assert env.spec is not None
    assert success == pytest.approx(expected[env.spec.id], abs=0.17)


def test_demonstrations_use_the_vocabulary_alone(env: ToolEnv) -> None:
    vocabulary = set(env.vocabulary)
    for seed, task in enumerate(env.tasks("validation")[:40]):
        actions, observations, _ = _demonstrate(env, task, seed)
        said = " ".join([*actions, *observations]).split()
        # Negative results have no word: the tokenizer reads them as unknown, which tells them from numbers in
        # range.
        assert {word for word in said if not word.lstrip("-").isdecimal()} <= vocabulary
        assert set(" ".join(actions).split()) <= vocabulary


def test_correct_actions_exist_for_every_split(env: ToolEnv) -> None:
    assert env.task_source.splits == ("train", "validation", "test")
    for split in env.task_source.splits:
        tasks = env.tasks(split)[:20]
        assert all(env.task_source.task(task.id) == task for task in tasks)
        assert any(_demonstrate(env, task, seed)[2]["is_success"] for task in tasks for seed in range(3))


def test_the_same_seed_gives_the_same_bytes(env: ToolEnv) -> None:
    task = env.tasks("test")[5]
    assert _demonstrate(env, task, 3) == _demonstrate(env, task, 3)


def test_info_never_holds_the_gold_answer(env: ToolEnv) -> None:
    for task in env.tasks("train")[:10]:
        _, info = env.reset(seed=0, options={"task": task.id})
        assert "answer" not in info
        *_, info = env.step("nothing")
        assert info["answer"] is None
        assert task.answer not in [value for value in info.values() if isinstance(value, str)]


def test_the_generator_starts_without_a_seed(env: ToolEnv) -> None:
    assert env.reset()[1]["task"]
