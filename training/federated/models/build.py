"""A Hugging Face BERT classifier out of a shape and arrays."""

from typing import TYPE_CHECKING, Any

import torch

from training.federated.exchange import Arrays
from training.federated.models.shape import Shape
from training.federated.suffix import load_arrays

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification


def config(shape: Shape) -> Any:
    """Hugging Face's configuration of that shape: no dropout, so that training is repeatable."""
    from transformers import BertConfig

    return BertConfig(
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        num_attention_heads=shape.heads,
        intermediate_size=shape.ffn,
        vocab_size=shape.vocabulary,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.types,
        num_labels=shape.classes,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
        attn_implementation="sdpa",
    )


def build(settings: Any, arrays: Arrays) -> "BertForSequenceClassification":
    """The model of a configuration with these arrays; nothing is frozen, one thread computes."""
    from transformers import BertForSequenceClassification

    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        model = BertForSequenceClassification(settings)
    load_arrays(model, arrays)
    return model
