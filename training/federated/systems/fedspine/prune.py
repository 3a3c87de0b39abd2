"""A BERT whose pruned heads and feed-forward channels are gone: smaller dense matrices, no masks.

Dependency groups: a head owns rows of query, key and value and columns of the attention's output;
a channel owns a row of the first feed-forward matrix and a column of the second. What such a group
reads and writes beside these are layer inputs and outputs, whose width never changes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from training.federated.systems.fedspine.structure import Kept, rows_of_heads


def prune_model(model: Any, kept: Kept) -> Any:
    """The model itself, a Hugging Face BERT without adapters, with only `kept` left in its layers.

    The heads' numbers in `kept` are those of the model as it comes in.
    """
    layers = model.base_model.encoder.layer
    for layer, heads, channels in zip(layers, kept.heads, kept.channels, strict=True):
        prune_attention(layer.attention, heads)
        prune_ffn(layer, channels)
    return model


def prune_attention(attention: Any, heads: Sequence[int]) -> None:
    """Leave these heads to an attention block, and tell it how many they are."""
    inner, size = attention.self, attention.self.attention_head_size
    index = torch.from_numpy(rows_of_heads(heads, size))
    for name in ("query", "key", "value"):
        setattr(inner, name, with_rows(getattr(inner, name), index))
    attention.output.dense = with_columns(attention.output.dense, index)
    inner.num_attention_heads = len(heads)
    inner.all_head_size = len(heads) * size


def prune_ffn(layer: Any, channels: Sequence[int]) -> None:
    """Leave these channels to a layer's feed-forward part."""
    index = torch.tensor(channels, dtype=torch.int64)
    layer.intermediate.dense = with_rows(layer.intermediate.dense, index)
    layer.output.dense = with_columns(layer.output.dense, index)


def with_rows(linear: nn.Linear, index: torch.Tensor) -> nn.Linear:
    """A linear map with some of the outputs of another, in the order of `index`."""
    return _linear(linear.weight.detach()[index], linear.bias.detach()[index])


def with_columns(linear: nn.Linear, index: torch.Tensor) -> nn.Linear:
    """A linear map with some of the inputs of another; its bias stays whole."""
    return _linear(linear.weight.detach()[:, index], linear.bias.detach().clone())


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    outputs, inputs = weight.shape
    made = nn.Linear(inputs, outputs, device="meta")
    made.weight, made.bias = nn.Parameter(weight.contiguous()), nn.Parameter(bias)
    return made
