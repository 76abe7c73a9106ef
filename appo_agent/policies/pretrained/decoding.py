"""What makes a token at a time quick in a transformers model: attention and a key-value cache that do not copy.

Its own attention repeats keys and values for every query head where there is a mask, and its own cache copies itself
for every token. On a CPU that is more than half of a decoding step.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_GROUPED = "sdpa_grouped"
_MIN_ROOM = 64


def use_grouped_attention(model: PreTrainedModel) -> None:
    """Have a model that uses torch's attention use `grouped_attention`; one with another attention is left alone."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(_GROUPED)


def grouped_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention as transformers calls it; a single token's queries go by the keys that they share.

    Args:
        module: the layer.
        query: (B, H, S, D).
        key: (B, K, T, D); H / K query heads share one of keys.
        value: (B, K, T, D).
        attention_mask: (B, 1, S, T), or None.
        options: of transformers.

    Returns:
        (B, S, H, D), and None for the weights.
    """
    rows, heads, width, size = query.shape
    shared = key.shape[1]
    same_for_all = attention_mask is None or attention_mask.shape[1] == 1
    if width != 1 or heads == shared or not same_for_all or options.get("position_bias") is not None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    attended = nn.functional.scaled_dot_product_attention(
        query.reshape(rows, shared, heads // shared, size),
        key,
        value,
        attn_mask=attention_mask,
        scale=options.get("scaling"),
    )
    return attended.reshape(rows, 1, heads, value.shape[-1]), None


class RoomyLayer(DynamicLayer):
    """A layer of the cache that keeps room for more tokens; `keys` and `values` (B, K, T, D) are what is used of it."""

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_options: Any) -> tuple[Tensor, Tensor]:
        """Add the keys and values of new tokens, (B, K, S, D), and return all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._key_room, self._value_room = key_states[..., :0, :], value_states[..., :0, :]
        length = self.get_seq_length()
        end = length + key_states.shape[-2]
        if self._key_room.shape[-2] < end:
            self._key_room = _with_room(self._key_room[..., :length, :], end)
            self._value_room = _with_room(self._value_room[..., :length, :], end)
        self._key_room[..., length:end, :] = key_states
        self._value_room[..., length:end, :] = value_states
        self.keys, self.values = self._key_room[..., :end, :], self._value_room[..., :end, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows."""
        length = self.get_seq_length()
        if length:
            self._key_room, self._value_room = self._key_room[indices], self._value_room[indices]
            self.keys, self.values = self._key_room[..., :length, :], self._value_room[..., :length, :]


def roomy_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for a model of this configuration; layers that forget keep their own kind."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _with_room(used: Tensor, needed: int) -> Tensor:
    """A copy with room for `needed` tokens and some more."""
    rows, heads, length, size = used.shape
    room = used.new_empty(rows, heads, max(needed + _MIN_ROOM, needed * 5 // 4), size)
    room[..., :length, :] = used
    return room


AttentionInterface.register(_GROUPED, grouped_attention)
AttentionMaskInterface.register(_GROUPED, sdpa_mask)
