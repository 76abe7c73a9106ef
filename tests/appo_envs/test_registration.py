"""The ids that gymnasium knows."""

import subprocess
import sys

import gymnasium
import pytest

import appo_envs
from appo_envs.env import ToolEnv
from appo_envs.registration import env_ids, register_envs


def test_ids_are_made_by_gymnasium_with_settings() -> None:
    env = gymnasium.make("appo/KnowledgeQA-v0", hops=2, split="test")
    assert isinstance(env.unwrapped, ToolEnv)
    question, info = env.reset(seed=0)
    assert question.count(";") == 1 and info["task"].startswith("test/")


def test_a_fresh_process_can_name_the_module_in_the_id() -> None:
    code = "import gymnasium; print(gymnasium.make('appo_envs:appo/KnowledgeQA-v0').spec.id)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "appo/KnowledgeQA-v0\n"
    )


def test_a_misspelt_id_gets_a_suggestion() -> None:
    with pytest.raises(gymnasium.error.NameNotFound, match="KnowledgeQA"):
        gymnasium.make("appo/KnowledgeQ-v0")


def test_every_public_name_is_there() -> None:
    assert all(getattr(appo_envs, name) is not None for name in appo_envs.__all__)


def test_registering_twice_changes_nothing() -> None:
    before = dict(gymnasium.registry)
    register_envs()
    assert gymnasium.registry == before
    assert set(env_ids()) <= set(before)


def test_importing_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, appo_envs, gymnasium; gymnasium.make('appo/KnowledgeQA-v0');"
        "heavy = 'torch', 'transformers', 'bm25s', 'sympy', 'math_verify', 'appo_agent';"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
