"""How much each head and channel matters, from gradients of the LoRA factors alone.

The frozen matrix W gets no gradient. A step of gradient on the factors moves their product along
G = gB A + B gA (to first order), which takes the place of W's gradient; a group's score is the sum
of (W + c B A)^2 G^2 over its rows and columns. That the factors' gradients are used is reported of
FedSpine, this form of the score is a reconstruction. Scores of a layer are taken as shares of their
sum, so that no device and no step weighs more because its gradients are large.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.federated.models.names import parameters_of
from training.federated.models.shape import Shape
from training.federated.suffix import SCALING
from training.federated.systems.fedspine.factors import (
    CHANNEL_COLUMNS,
    CHANNEL_ROWS,
    HEAD_COLUMNS,
    HEAD_ROWS,
)
from training.federated.systems.fedspine.structure import CHANNELS, HEADS, Kept

Scores = dict[str, NDArray[np.float64]]


class Watcher:
    """Scores the groups of a model at each step of its training, smoothed over the steps.

    It waits for the gradients of the factors, so that any loop of training can be watched.
    `momentum` is the weight of the past.
    """

    def __init__(self, model: Any, shape: Shape, *, momentum: float) -> None:
        """Watch a model in which every layer has LoRA; `close` ends it."""
        self._parameters: dict[str, Any] = dict(parameters_of(model))
        self._shape, self._momentum = shape, momentum
        self._smoothed: Scores = {}
        self._handles = [
            parameter.register_post_accumulate_grad_hook(self._on_gradient)
            for name, parameter in self._parameters.items()
            if ".lora_" in name
        ]
        self._seen = 0

    def close(self) -> Scores:
        """The smoothed shares of every layer's groups that are left; empty without a step."""
        for handle in self._handles:
            handle.remove()
        return self._smoothed

    def _on_gradient(self, parameter: Tensor) -> None:
        del parameter
        self._seen += 1
        if self._seen == len(self._handles):
            self._seen = 0
            self._take()

    def _take(self) -> None:
        now = group_scores(self._parameters, self._shape)
        for name, scores in now.items():
            before = self._smoothed.get(name, scores)
            self._smoothed[name] = self._momentum * before + (1 - self._momentum) * scores


@torch.no_grad()
def group_scores(parameters: Any, shape: Shape) -> Scores:
    """Each layer's scores of the heads and channels that are there, as shares of their sum.

    `parameters` are a model's by canonical names, with gradients on all LoRA factors.
    """
    size = shape.hidden // shape.heads
    heads, channels = [], []
    for number in range(shape.layers):
        layer = f"layer.{number}."
        rows = sum(_moved(parameters, layer + part).sum(1) for part in HEAD_ROWS)
        rows = rows + _moved(parameters, layer + HEAD_COLUMNS).sum(0)
        heads.append(_shares(rows.view(-1, size).sum(1)))
        wide = _moved(parameters, layer + CHANNEL_ROWS).sum(1)
        channels.append(_shares(wide + _moved(parameters, layer + CHANNEL_COLUMNS).sum(0)))
    return {HEADS: np.stack(heads), CHANNELS: np.stack(channels)}


def _moved(parameters: Any, stem: str) -> Tensor:
    """The squared first-order effect of moving each element of a matrix."""
    a, b = parameters[f"{stem}.lora_A"], parameters[f"{stem}.lora_B"]
    weight = parameters[f"{stem}.weight"] + SCALING * (b @ a)
    effect: Tensor = weight.mul_(b.grad @ a + b @ a.grad).square_()
    return effect


def _shares(scores: Tensor) -> NDArray[np.float64]:
    found = scores.double().numpy()
    total = found.sum()
    return np.asarray(found / total) if total > 0 else np.full(len(found), 1 / len(found))


def renewed(old: Scores, measured: Scores, kept: Kept) -> Scores:
    """All shares after some were measured on what is left.

    What was pruned keeps its share, what is left divides the rest as it was measured. Pruned
    groups come back only where measured ones fall below them.
    """
    found = {}
    for name, indices in ((HEADS, kept.heads), (CHANNELS, kept.channels)):
        shares = np.array(old[name], np.float64)
        for layer, index in enumerate(indices):
            chosen = list(index)
            shares[layer, chosen] = measured[name][layer] * shares[layer, chosen].sum()
        found[name] = shares
    return found


def unknown(shape: Shape) -> Scores:
    """Equal shares: nothing has been measured."""
    return {
        HEADS: np.full((shape.layers, shape.heads), 1 / shape.heads),
        CHANNELS: np.full((shape.layers, shape.ffn), 1 / shape.ffn),
    }
