"""Presets for pretrained models: each trains, with its own settings, on a random model of its family."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appo_agent.algorithms.plan import ScoreBranches
from appo_agent.commands.main import main
from appo_agent.commands.train import load_config, preset_names
from appo_agent.training.config import TINY
from tests.appo_agent.policies.little_models import Family, little_folder

FAMILIES: dict[str, Family] = {
    "reasoning_qwen2.5_7b": "qwen2",
    "reasoning_llama3.1_8b": "llama",
    "deep_search_qwen3_8b": "qwen3",
    "deep_search_qwen3_14b": "qwen3",
    "one_24gb_gpu": "qwen2",
    "public_code_reasoning_qwen2.5_7b": "qwen2",
    "public_code_reasoning_llama3.1_8b": "llama",
    "public_code_deep_search_qwen3_8b": "qwen3",
    "public_code_deep_search_qwen3_14b": "qwen3",
}
SHRUNK = [
    *("--sampler", "transformers", "--max-steps", "2", "--prompts-per-step", "2", "--mini-batches", "2"),
    *("--sampling.max-turn-tokens", "16", "--sampling.max-rollout-tokens", "1600", "--tool-workers", "0"),
    *("--evaluation.episodes", "2", "--evaluation.validation-episodes", "0", "--log-to", "--json"),
    *("--plan.rollouts", "4", "--plan.initial", "2", "--plan.branches", "1"),
]
"""What a laptop cannot do in seconds. Everything else is the preset's."""


def test_every_preset_for_a_pretrained_model_is_tried() -> None:
    pretrained = {name for name in preset_names() if load_config(name, []).model != TINY}
    assert pretrained == set(FAMILIES)


def _slow(name: str) -> bool:
    """Another preset of the same family differs in settings alone, which the tests below compare."""
    return name.startswith("public_code_") or name == "deep_search_qwen3_14b"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if _slow(name) else name for name in FAMILIES]
)
def test_a_preset_trains_two_steps(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = load_config(name, [])
    folder = little_folder(tmp_path / "model", FAMILIES[name])
    stored = folder / "config.json"
    # Rotary positions have no weights: any context will do.
    stored.write_text(json.dumps({**json.loads(stored.read_text()), "max_position_embeddings": 4096}))
    # Tasks of the hub need the network.
    options = [option for option in preset.env_options if not option.startswith("tasks=")]
    words = ["--model", str(folder), "--env-options", *options, "--run-dir", str(tmp_path / "run")]
    assert main(["train", name, *SHRUNK, *words]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["steps"] == 2 and result["generated_tokens"] > 0
    assert (tmp_path / "run" / "policy" / "config.json").is_file()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_preset_has_room_for_its_responses(name: str) -> None:
    config = load_config(name, [])
    response = {"reasoning": 4096, "deep": 8192}.get(name.removeprefix("public_code_").split("_")[0], 1024)
    assert config.sampling.max_turn_tokens == response
    assert config.sampling.max_rollout_tokens > response
    assert config.plan.rollouts == 16


@pytest.mark.parametrize("name", [name for name in FAMILIES if name.startswith("public_code_")])
def test_a_preset_of_the_public_code_differs_from_the_papers_in_the_known_settings_alone(name: str) -> None:
    public, little = load_config(name, []), load_config("public_code", [])
    paper = load_config(name.removeprefix("public_code_"), [])
    assert (public.future, public.advantage, public.loss) == (little.future, little.advantage, little.loss)
    assert isinstance(public.plan, ScoreBranches) and isinstance(paper.plan, ScoreBranches)
    assert (public.plan.initial, public.plan.branches) == (8, 1)
    plan = replace(public.plan, initial=paper.plan.initial, branches=paper.plan.branches)
    known = {"plan": plan, "future": paper.future, "advantage": paper.advantage, "loss": paper.loss}
    assert replace(public, **known) == paper
