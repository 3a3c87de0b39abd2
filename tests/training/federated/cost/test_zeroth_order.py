"""A zeroth-order step needs the memory of inference: measured on steps as they are done."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from training.federated.cost.measure import measured_peak_bytes
from training.federated.cost.memory import zeroth_order_peak_bytes
from training.federated.cost.work import Work
from training.federated.models.build import build, config
from training.federated.models.shape import Shape
from training.federated.models.weights import drawn
from training.federated.suffix import whole

SHAPE = Shape(
    layers=4, hidden=64, heads=4, ffn=256, vocabulary=1000, positions=128, types=1, classes=4
)


def shift(parameters: list[Tensor], seed: int, by: float) -> None:
    """Along a direction that is drawn anew from its seed, one array at a time."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.add_(by * torch.randn(parameter.shape, generator=generator))


def plain_step(model: Any, x: Tensor) -> None:
    """Up, forward, down, forward, back."""
    parameters = list(model.parameters())
    for by in (1e-3, -2e-3):
        shift(parameters, 0, by)
        model(input_ids=x).logits.sum().item()
    shift(parameters, 0, 1e-3)


def split_step(model: Any, x: Tensor) -> None:
    """The first two layers once each way, then the rest on both of their outputs."""
    layers, low = model.bert.encoder.layer, list(model.bert.encoder.layer[:2].parameters())
    ends = []
    for by in (1e-3, -2e-3):
        shift(low, 0, by)
        ends.append(through(layers[:2], model.bert.embeddings(x)))
    for end in ends:
        hidden = through(layers[2:], end)
        model.classifier(model.bert.pooler(hidden)).sum().item()


def through(layers: Any, hidden: Tensor) -> Tensor:
    """Layers one after the other."""
    for layer in layers:
        hidden = layer(hidden)
    return hidden


@pytest.mark.parametrize(
    ("batch", "step", "split"),
    [(1, plain_step, False), (16, plain_step, False), (16, split_step, True)],
)
def test_the_peak_of_a_step_is_what_the_model_says(
    batch: int, step: Callable[[Any, Tensor], None], split: bool
) -> None:
    """Within a hundredth; with one short text a direction in the word embeddings is the most."""
    work = Work(shape=SHAPE, suffix=whole(SHAPE), batch=batch, tokens=24)
    model = build(config(SHAPE), drawn(SHAPE, 0)).eval()
    x = torch.randint(1, SHAPE.vocabulary, (batch, 24))
    with torch.no_grad():
        counted = measured_peak_bytes(model, lambda: step(model, x))
    assert counted == pytest.approx(zeroth_order_peak_bytes(work, split=split), rel=0.01)
