"""What the server does with features: one merged update, updates in turn, or a copy per worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator

from training.federated.systems.mergesfl.averaging import batch_weighted
from training.federated.systems.mergesfl.network import Floats, Labels, Weights, top_step


@dataclass(frozen=True, eq=False)
class Smashed:
    """What a worker sends of a batch: features (batch, hidden) and labels (batch,)."""

    features: Floats
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Answer:
    """The server's answer to one step.

    `gradients` by worker: d its own mean loss / d its features. `loss` is the mean over samples,
    `updates` how often the server stepped.
    """

    gradients: dict[str, Floats]
    loss: float
    updates: int


class Top(Protocol):
    """The server's half during a round."""

    def answer(self, batches: Mapping[str, Smashed], rng: Generator) -> Answer:
        """Learn from one batch of each worker."""
        ...

    def weights(self, batches: Mapping[str, int]) -> dict[str, Floats]:
        """The half after the round; `batches` of the workers that stayed until its end."""
        ...


class Merged:
    """MergeSFL: all features make one batch, and the server takes one step for all of them."""

    def __init__(self, weights: Weights, learning_rate: float) -> None:
        """Start from the weights of the last round."""
        self._weights, self._learning_rate = dict(weights), learning_rate

    def answer(self, batches: Mapping[str, Smashed], rng: Generator) -> Answer:
        """See Top; the order of workers does not matter."""
        del rng
        features = np.concatenate([batch.features for batch in batches.values()])
        labels = np.concatenate([batch.labels for batch in batches.values()])
        step = top_step(self._weights, features, labels, self._learning_rate)
        self._weights = step.weights
        return Answer(dispatched(step.gradient, batches), step.loss, 1)

    def weights(self, batches: Mapping[str, int]) -> dict[str, Floats]:
        """See Top."""
        del batches
        return self._weights


def dispatched(gradient: Floats, batches: Mapping[str, Smashed]) -> dict[str, Floats]:
    """Each worker's rows of the merged gradient, rescaled by sum(b) / b_i.

    The merged loss is a mean over all samples; so rescaled, a worker sees that of its own.
    """
    parts, first = {}, 0
    for worker, batch in batches.items():
        rows = gradient[first : first + len(batch)]
        parts[worker] = rows * np.float32(len(gradient) / len(batch))
        first += len(batch)
    return parts


class Shared:
    """SplitFed v2: one half, which steps for each worker in turn, in an order drawn anew."""

    def __init__(self, weights: Weights, learning_rate: float) -> None:
        """Start from the weights of the last round."""
        self._weights, self._learning_rate = dict(weights), learning_rate

    def answer(self, batches: Mapping[str, Smashed], rng: Generator) -> Answer:
        """See Top."""
        gradients, losses = {}, 0.0
        for worker in rng.permutation(sorted(batches)):
            batch = batches[worker]
            step = top_step(self._weights, batch.features, batch.labels, self._learning_rate)
            self._weights = step.weights
            gradients[str(worker)] = step.gradient
            losses += step.loss * len(batch)
        return Answer(gradients, losses / _samples(batches), len(batches))

    def weights(self, batches: Mapping[str, int]) -> dict[str, Floats]:
        """See Top."""
        del batches
        return self._weights


class Copies:
    """SplitFed v1: a copy for each worker, which are averaged at the end of the round."""

    def __init__(self, weights: Weights, learning_rate: float) -> None:
        """Start from the weights of the last round."""
        self._first, self._learning_rate = dict(weights), learning_rate
        self._copies: dict[str, dict[str, Floats]] = {}

    def answer(self, batches: Mapping[str, Smashed], rng: Generator) -> Answer:
        """See Top; the order of workers does not matter."""
        del rng
        gradients, losses = {}, 0.0
        for worker, batch in batches.items():
            copy = self._copies.get(worker, self._first)
            step = top_step(copy, batch.features, batch.labels, self._learning_rate)
            self._copies[worker] = step.weights
            gradients[worker] = step.gradient
            losses += step.loss * len(batch)
        return Answer(gradients, losses / _samples(batches), len(batches))

    def weights(self, batches: Mapping[str, int]) -> dict[str, Floats]:
        """See Top; the copies of workers that went away are left out."""
        return batch_weighted({worker: self._copies[worker] for worker in batches}, batches)


def _samples(batches: Mapping[str, Smashed]) -> int:
    return sum(len(batch) for batch in batches.values())
