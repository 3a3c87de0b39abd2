"""A device: trains the global model on its digits, in the batches that it is told."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice, seed_for
from training.federated.exchange import Order, Reply
from training.federated.system import Setup
from training.federated.systems.joint_batch_frequency.parts import parts_of
from training.federated.systems.joint_batch_frequency.perceptron import step
from training.federated.tasks.task import Examples


class BatchClient:
    """A device with its examples; it keeps nothing between orders."""

    def __init__(self, device: str, examples: Examples, *, seed: int) -> None:
        """`seed` is the run's; what is drawn depends on the device and the round besides."""
        self._device, self._examples, self._seed = device, examples, seed

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        del memory
        batch, samples = _whole(order, "batch"), _whole(order, "samples")
        drawn = rows_of(
            len(self._examples),
            batch=batch,
            steps=max(1, samples // batch),
            seed=seed_for(self._seed, "train", self._device, _whole(order, "round")),
        )
        weights, losses, seen = dict(order.arrays), [], 0
        rate = order.settings["learning_rate"]
        assert isinstance(rate, float)
        for rows in drawn:
            weights, loss = step(weights, self._examples.x[rows], self._examples.y[rows], rate)
            losses.append(loss)
            seen += len(rows)
        metrics = {"samples": float(seen), "loss": sum(losses) / len(losses)}
        return Reply(arrays=weights, metrics=metrics)


def rows_of(count: int, *, batch: int, steps: int, seed: int) -> NDArray[np.int64]:
    """Rows of `count` examples, (steps, batch): all once in an order drawn from `seed`, then again.

    A batch is whole also where there are fewer examples, as the clock counts it.
    """
    rng = dice(seed, "batches")
    passes = math.ceil(steps * batch / count)
    order = np.concatenate([rng.permutation(count) for _ in range(passes)])
    return np.asarray(order[: steps * batch].reshape(steps, batch))


def make_client(setup: Setup, device: str) -> BatchClient:
    """The client of a setup's device."""
    return BatchClient(device, parts_of(setup)[device], seed=setup.seed)


def _whole(order: Order, name: str) -> int:
    value = order.settings[name]
    assert isinstance(value, int)
    return value
