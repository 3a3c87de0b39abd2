"""A perceptron with one hidden layer, by hand in float32: the model that digits are learnt by."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]

HIDDEN = 64


def first_weights(inputs: int, classes: int, *, seed: int) -> dict[str, Floats]:
    """Drawn uniformly within the inverse root of a layer's inputs."""
    rng = dice(seed, "perceptron")
    weights: dict[str, Floats] = {}
    for name, wide, out in (("hidden", inputs, HIDDEN), ("head", HIDDEN, classes)):
        bound = wide**-0.5
        weights[f"{name}.weight"] = rng.uniform(-bound, bound, (wide, out)).astype(np.float32)
        weights[f"{name}.bias"] = rng.uniform(-bound, bound, out).astype(np.float32)
    return weights


def logits(weights: Weights, x: Floats) -> Floats:
    """What the model says of examples."""
    return np.asarray(_hidden(weights, x) @ weights["head.weight"] + weights["head.bias"])


def _hidden(weights: Weights, x: Floats) -> Floats:
    scores = x @ weights["hidden.weight"] + weights["hidden.bias"]
    return np.asarray(np.maximum(scores, np.float32(0)))


def step(
    weights: Weights, x: Floats, y: NDArray[np.int64], rate: float
) -> tuple[dict[str, Floats], float]:
    """Weights after one step of SGD down the mean cross-entropy of a batch, and that before it."""
    hidden = _hidden(weights, x)
    scores = hidden @ weights["head.weight"] + weights["head.bias"]
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = float(-np.log(np.maximum(shares[rows, y], np.float32(1e-30))).mean())
    shares[rows, y] -= np.float32(1)
    shares *= np.float32(1 / len(y))
    inner = (shares @ weights["head.weight"].T) * (hidden > 0)
    gradients = {
        "hidden.weight": x.T @ inner,
        "hidden.bias": inner.sum(axis=0),
        "head.weight": hidden.T @ shares,
        "head.bias": shares.sum(axis=0),
    }
    moved = {name: weights[name] - np.float32(rate) * g for name, g in gradients.items()}
    return moved, loss


def accuracy(weights: Weights, x: Floats, y: NDArray[np.int64]) -> float:
    """Share of right answers."""
    return float((logits(weights, x).argmax(axis=1) == y).mean())
