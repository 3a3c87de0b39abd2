"""A BERT classifier as a chain: embeddings, encoder layers, pooler with head."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from training.federated.systems.fedspzo.chain import Chain, Stage

_FAR = torch.finfo(torch.float32).min

Seen = tuple[Tensor, Tensor | None]
"""Vectors of all tokens, and what is added to attention to them (None where no token pads)."""


def bert_chain(model: Any) -> Chain:
    """The chain of a `BertForSequenceClassification`, which it takes over; token 0 pads."""
    bert = model.bert
    head = nn.ModuleList([bert.pooler, model.classifier])
    layers = [Stage(layer, _layer(layer), layer=True) for layer in bert.encoder.layer]
    return Chain([Stage(bert.embeddings, _embed(bert)), *layers, Stage(head, _answer(model))])


def _embed(bert: Any) -> Callable[[Tensor], Seen]:
    def run(tokens: Tensor) -> Seen:
        pads = tokens.eq(0)
        bias = pads[:, None, None, :].float() * _FAR if pads.any() else None
        return bert.embeddings(input_ids=tokens), bias

    return run


def _layer(layer: Any) -> Callable[[Seen], Seen]:
    def run(seen: Seen) -> Seen:
        hidden, bias = seen
        out = layer(hidden, attention_mask=bias)
        return (out[0] if isinstance(out, tuple) else out), bias

    return run


def _answer(model: Any) -> Callable[[Seen], Tensor]:
    def run(seen: Seen) -> Tensor:
        answer: Tensor = model.classifier(model.bert.pooler(seen[0]))
        return answer

    return run
