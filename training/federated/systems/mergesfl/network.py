"""The network in two halves: one layer on the worker (bottom), two on the server (top).

Everything is numpy in float32 and by hand, as an exchange is too small for anything heavier:

    features = relu(x W0' + b0);  logits = relu(features W1' + b1) W2' + b2

Training that diverges goes on without a warning: what is not finite no engine lets through.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Weights = Mapping[str, Floats]

BOTTOM = ("bottom.weight", "bottom.bias")
TOP = ("top.0.weight", "top.0.bias", "top.1.weight", "top.1.bias")
_SILENT = np.errstate(over="ignore", invalid="ignore")


@dataclass(frozen=True, eq=False)
class TopStep:
    """What an update of the top gives: new weights, mean loss, d mean loss / d features."""

    weights: dict[str, Floats]
    loss: float
    gradient: Floats


def first_weights(seed: int, *, inputs: int, hidden: int, classes: int) -> dict[str, Floats]:
    """Both halves, drawn uniformly within the inverse root of a layer's inputs."""
    rng = dice(seed, "mergesfl", "weights")
    sizes = (inputs, hidden, hidden, classes)
    weights: dict[str, Floats] = {}
    for layer, (wide, out) in zip(("bottom", "top.0", "top.1"), pairwise(sizes), strict=True):
        bound = wide**-0.5
        weights[f"{layer}.weight"] = rng.uniform(-bound, bound, (out, wide)).astype(np.float32)
        weights[f"{layer}.bias"] = rng.uniform(-bound, bound, out).astype(np.float32)
    return weights


@_SILENT
def bottom_forward(bottom: Weights, x: Floats) -> Floats:
    """Features of examples."""
    scores = x @ bottom["bottom.weight"].T + bottom["bottom.bias"]
    return np.asarray(np.maximum(scores, np.float32(0)))


@_SILENT
def bottom_step(
    bottom: Weights, x: Floats, features: Floats, gradient: Floats, learning_rate: float
) -> dict[str, Floats]:
    """One step down d loss / d features, of the features that these weights made of x."""
    inner = gradient * (features > 0)
    rate = np.float32(learning_rate)
    return {
        "bottom.weight": bottom["bottom.weight"] - rate * (inner.T @ x),
        "bottom.bias": bottom["bottom.bias"] - rate * inner.sum(axis=0),
    }


@_SILENT
def top_logits(top: Weights, features: Floats) -> Floats:
    """Logits of features."""
    return np.asarray(_inner(top, features) @ top["top.1.weight"].T + top["top.1.bias"])


def _inner(top: Weights, features: Floats) -> Floats:
    scores = features @ top["top.0.weight"].T + top["top.0.bias"]
    return np.asarray(np.maximum(scores, np.float32(0)))


@_SILENT
def top_step(top: Weights, features: Floats, labels: Labels, learning_rate: float) -> TopStep:
    """One step down the mean cross-entropy of a batch, and what it says to the features."""
    inner = _inner(top, features)
    scores = inner @ top["top.1.weight"].T + top["top.1.bias"]
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(-np.log(np.maximum(shares[rows, labels], np.float32(1e-30))).mean())
    shares[rows, labels] -= np.float32(1)
    shares /= np.float32(len(labels))
    back = (shares @ top["top.1.weight"]) * (inner > 0)
    rate = np.float32(learning_rate)
    weights = {
        "top.0.weight": top["top.0.weight"] - rate * (back.T @ features),
        "top.0.bias": top["top.0.bias"] - rate * back.sum(axis=0),
        "top.1.weight": top["top.1.weight"] - rate * (shares.T @ inner),
        "top.1.bias": top["top.1.bias"] - rate * shares.sum(axis=0),
    }
    return TopStep(weights, loss, back @ top["top.0.weight"])


def accuracy(weights: Weights, x: Floats, y: Labels) -> float:
    """Share of right answers."""
    logits = top_logits(weights, bottom_forward(weights, x))
    return float((logits.argmax(axis=1) == y).mean())


def is_finite(weights: Weights) -> bool:
    """Whether all weights are numbers."""
    return all(bool(np.isfinite(array).all()) for array in weights.values())


def part_of(weights: Weights, names: tuple[str, ...]) -> dict[str, Floats]:
    """The weights of one half."""
    return {name: weights[name] for name in names}
