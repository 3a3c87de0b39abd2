"""How large a model is: all that names, bytes and flops of it depend on."""

from typing import Any

from msgspec import Struct


class Shape(Struct, frozen=True, kw_only=True):
    """Sizes of a BERT classifier: counts, no bytes.

    `hidden` is the width of a token's vector, `ffn` that inside a layer's feed-forward part,
    `positions` the longest text in tokens, `types` the kinds of segments.
    """

    layers: int
    hidden: int
    heads: int
    ffn: int
    vocabulary: int
    positions: int
    types: int
    classes: int


def shape_of(model_or_config: Any) -> Shape:
    """The shape of a model (LoRA or not) or of its Hugging Face configuration."""
    config = getattr(model_or_config, "config", model_or_config)
    return Shape(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        ffn=config.intermediate_size,
        vocabulary=config.vocab_size,
        positions=config.max_position_embeddings,
        types=config.type_vocab_size,
        classes=config.num_labels,
    )
