"""A transformers model as the learner sees it.

Owns precision, gradient checkpointing and adapters (LoRA): which parameters learn, what the full weights are that
samplers get, and how the policy is written as a plain Hugging Face folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from appo_agent.policies.pretrained.decoding import roomy_cache, use_grouped_attention


class Decoded(NamedTuple):
    """Logits (R, V) of the next token, and the key-value cache with which the step after goes on."""

    logits: Tensor
    cache: Any


class PretrainedModel:
    """Any causal language model with a separate head, such as Qwen2ForCausalLM.

    Args:
        model: without or with LoRA adapters inside its linear layers (`add_lora`).
        compute_dtype: of matrix products. With bfloat16 trained parameters stay in float32.
        checkpoint_layers: recompute each layer's activations in the backward pass, which saves memory for a third
            more time.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        compute_dtype: torch.dtype = torch.float32,
        checkpoint_layers: bool = False,
    ) -> None:
        if model.get_output_embeddings() is None:
            raise ValueError(f"{type(model).__name__} has no output head; load a causal language model")
        self.model = model.eval()
        use_grouped_attention(model)
        self._compute_dtype = compute_dtype
        self._checkpoint_layers = checkpoint_layers
        if checkpoint_layers:
            model.gradient_checkpointing_enable({"use_reentrant": False})

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.model.device

    @property
    def vocabulary(self) -> int:
        """V, number of logits."""
        return int(self.model.config.get_text_config().vocab_size)

    def hidden_states(self, token_ids: Tensor) -> Tensor:
        """(B, T) right-padded ids to (B, T, D). Attention is causal, so padding on the right is never seen."""
        # transformers checkpoints in training mode only. Dropout is off in every mode (`load_pretrained`).
        self.model.train(self._checkpoint_layers and torch.is_grad_enabled())
        with self._precision():
            hidden = self.model.base_model(input_ids=token_ids, use_cache=False).last_hidden_state
        self.model.eval()
        return hidden

    def project(self, hidden: Tensor) -> Tensor:
        """(..., D) to logits (..., V)."""
        head: Any = self.model.get_output_embeddings()
        with self._precision():
            return head(hidden)

    def decode_step(self, token_ids: Tensor, mask: Tensor, cache: Any) -> Decoded:
        """Logits of the next token.

        Args:
            token_ids: (R, S) left-padded prompts, or (R, 1) the token drawn last.
            mask: (R, T) 1 at every real token so far, 0 at padding.
            cache: of the step before; None in the first.
        """
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -token_ids.shape[1] :]
        with self._precision():
            output = self.model(
                input_ids=token_ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=roomy_cache(self.model.config) if cache is None else cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return Decoded(output.logits[:, -1], output.past_key_values)

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters that learn, tied ones once."""
        return ((name, value) for name, value in self.model.named_parameters() if value.requires_grad)

    def full_weights(self) -> Mapping[str, Tensor]:
        """Every weight under its name in the Hugging Face folder, adapters merged; views where nothing is merged."""
        merged = {module: _merged(module) for module in self.model.modules() if _is_lora(module)}
        if not merged:
            return {name: value.detach() for name, value in self.model.named_parameters()}
        weights: dict[str, Tensor] = {}
        for path, module in self.model.named_modules():
            if module in merged:
                weights[f"{path}.weight"] = merged[module]
        for name, value in self.model.named_parameters():
            if "lora_" not in name:
                weights.setdefault(name.replace(".base_layer.", "."), value.detach())
        return weights

    def save(self, folder: Path) -> None:
        """Write config and weights, adapters merged."""
        self.model.save_pretrained(folder, state_dict=dict(_with_tied(self.model, self.full_weights())))

    def _precision(self) -> AbstractContextManager[object]:
        if self._compute_dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self._compute_dtype)


def add_lora(model: PreTrainedModel, rank: int, alpha: int) -> None:
    """Freeze the model and put LoRA adapters into its linear layers, the head excepted.

    Args:
        model: changed in place.
        rank: r, at least 1.
        alpha: the adapters' product is scaled by alpha / rank.

    Raises:
        ConfigError: peft is not installed.

    Source: LoRA (arXiv 2106.09685), with the implementation of peft.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        from appo_agent.errors import ConfigError

        raise ConfigError("LoRA needs peft: `pip install appo-gym[lora]`") from error

    model.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    inject_adapter_in_model(config, model)
    for name, value in model.named_parameters():
        if "lora_" in name:
            # Adapters are small and learn in steps that bfloat16 would round away.
            value.data = value.data.float()
            value.requires_grad_(True)


def _is_lora(module: nn.Module) -> bool:
    return "lora_A" in dict(module.named_children())


@torch.no_grad()
def _merged(module: Any) -> Tensor:
    base = module.base_layer.weight
    return (base.float() + module.get_delta_weight("default").float()).to(base.dtype)


def _with_tied(model: PreTrainedModel, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    # `save_pretrained` wants buffers too, and knows itself which names are tied.
    buffers = {name: value for name, value in model.state_dict().items() if "lora_" not in name}
    return {name.replace(".base_layer.", "."): value for name, value in buffers.items()} | dict(weights)
