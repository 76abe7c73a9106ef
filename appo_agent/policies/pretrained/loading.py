"""From a Hugging Face id or folder to a policy.

Owns what is checked before anything is trained: a causal model with a head, a tokenizer that fits it, no code from the
hub, no dropout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig, PreTrainedModel

from appo_agent.errors import ConfigError
from appo_agent.policies.pretrained.model import PretrainedModel, add_lora
from appo_agent.policies.pretrained.settings import PretrainedConfig
from appo_agent.policies.pretrained.tokenizer import PretrainedTokenizer
from appo_agent.whole_folder import put_back


class Pretrained(NamedTuple):
    """A loaded policy."""

    model: PretrainedModel
    tokenizer: PretrainedTokenizer


def load_pretrained(name: str, config: PretrainedConfig, longest: int = 0) -> Pretrained:
    """Load a model and its tokenizer.

    Args:
        name: a folder, or an id on the hub.
        config: precision, adapters, revision.
        longest: tokens of the longest text that the model shall read, refused before its weights are loaded.

    Raises:
        ConfigError: there is no such model, it reads less than `longest`, it is no causal language model, the tokenizer
            does not fit it, or it has no chat template.
    """
    try:
        put_back(Path(name))
    except OSError as error:
        raise ConfigError(f"model: {name}, which a crash left moved aside, cannot be put back: {error}") from error
    if Path(name).exists() and not (Path(name) / "config.json").is_file():
        raise ConfigError(f"model: {name} holds no config.json; give a Hugging Face folder, such as RUN/policy")
    storage = torch.bfloat16 if config.dtype == "bfloat16" and config.lora_rank else torch.float32
    try:
        settings = AutoConfig.from_pretrained(name, revision=config.revision)
        _check_context(name, settings, longest)
        tokenizer = AutoTokenizer.from_pretrained(name, revision=config.revision)
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            name, revision=config.revision, config=settings, dtype=storage
        )
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"model: {name} cannot be loaded: {error}") from error
    _check_vocabulary(name, model, len(tokenizer))
    _switch_dropout_off(model)
    if config.lora_rank:
        add_lora(model, config.lora_rank, config.lora_alpha)
    model.to("cuda" if torch.cuda.is_available() else "cpu")  # pyright: ignore[reportArgumentType]
    adapted = PretrainedModel(
        model,
        compute_dtype=torch.bfloat16 if config.dtype == "bfloat16" else torch.float32,
        checkpoint_layers=config.checkpoint_layers,
    )
    return Pretrained(adapted, PretrainedTokenizer(tokenizer, _stop_token_ids(model)))


def _check_context(name: str, settings: PreTrainedConfig, longest: int) -> None:
    context = getattr(settings.get_text_config(), "max_position_embeddings", None)
    if context is not None and longest > context:
        raise ConfigError(
            f"sampling.max_rollout_tokens: {longest} are more than the model reads, {name} reads at most {context}; "
            "lower it, or take a model with a longer context"
        )


def _check_vocabulary(name: str, model: PreTrainedModel, tokens: int) -> None:
    embedding: Any = model.get_input_embeddings()
    rows = embedding.weight.shape[0]
    if tokens > rows:
        raise ConfigError(
            f"model: the tokenizer of {name} has {tokens} tokens, the model embeds {rows}; they do not belong together"
        )


def _switch_dropout_off(model: PreTrainedModel) -> None:
    # With dropout the learner's log-probs would differ from the sampler's, and from its own a moment later.
    for module in model.modules():
        settings: dict[str, Any] = vars(module)
        if isinstance(module, torch.nn.Dropout):
            settings["p"] = 0.0
        if "attention_dropout" in settings:
            settings["attention_dropout"] = 0.0


def _stop_token_ids(model: PreTrainedModel) -> list[int]:
    """Instruction-tuned models end turns by tokens that only their generation settings name."""
    found = model.generation_config.eos_token_id if model.generation_config is not None else None
    if found is None:
        return []
    return [found] if isinstance(found, int) else list(found)
