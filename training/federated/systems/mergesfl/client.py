"""The worker: its bottom, the batch that it waits for the gradient of, and nothing else."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.exchange import Arrays, Order, Reply
from training.federated.fleet import load_fleet
from training.federated.system import Setup
from training.federated.systems.mergesfl.network import (
    BOTTOM,
    bottom_forward,
    bottom_step,
    part_of,
    top_step,
)
from training.federated.systems.mergesfl.wire import COUNT, FIT
from training.federated.tasks.load import load_task
from training.federated.tasks.task import Examples

Memory = dict[str, NDArray[Any]]


class Worker:
    """A worker with its examples; `memory` holds its bottom and the batch under way."""

    def __init__(self, device: str, examples: Examples, *, classes: int, seed: int) -> None:
        """`seed` is the run's: what a worker draws depends on its name, the round and the step."""
        self._device, self._examples = device, examples
        self._classes, self._seed = classes, seed

    def act(self, order: Order, memory: Memory) -> Reply:
        """See Client."""
        if order.action == COUNT:
            return self._count()
        if order.action == FIT:
            return self._fit(order)
        return self._step(order, memory)

    def _count(self) -> Reply:
        counts = np.bincount(self._examples.y, minlength=self._classes)
        return _reply({"counts": counts.astype(np.int64)}, len(self._examples))

    def _step(self, order: Order, memory: Memory) -> Reply:
        """Learn from the gradient if there is one, then send features, or at last the weights."""
        if "gradient" in order.arrays:
            rate = _number(order, "learning_rate")
            learnt = bottom_step(
                memory, memory["x"], memory["features"], order.arrays["gradient"], rate
            )
            memory.update(learnt)
        else:
            memory.update(order.arrays)
        if order.settings["last"]:
            return _reply(part_of(memory, BOTTOM), len(memory["x"]))
        rows = self.rows(_whole(order, "round"), _whole(order, "step"), _whole(order, "batch"))
        memory["x"] = self._examples.x[rows]
        memory["features"] = bottom_forward(memory, memory["x"])
        return _reply({"features": memory["features"], "labels": self._examples.y[rows]}, len(rows))

    def _fit(self, order: Order) -> Reply:
        weights, rate, losses = dict(order.arrays), _number(order, "learning_rate"), 0.0
        steps, batch = _whole(order, "steps"), _whole(order, "batch")
        for step in range(steps):
            rows = self.rows(_whole(order, "round"), step, batch)
            x = self._examples.x[rows]
            features = bottom_forward(weights, x)
            top = top_step(weights, features, self._examples.y[rows], rate)
            weights = bottom_step(weights, x, features, top.gradient, rate) | top.weights
            losses += top.loss
        return _reply(weights, steps * batch, loss=losses / steps)

    def rows(self, round_: int, step: int, batch: int) -> NDArray[np.int64]:
        """A step's examples; none twice, unless there are fewer than the batch."""
        rng = dice(self._seed, "mergesfl", "batch", self._device, round_, step)
        count = len(self._examples)
        return rng.choice(count, batch, replace=batch > count)


def make_worker(setup: Setup, device: str) -> Worker:
    """The worker of a setup's device."""
    task = load_task(setup)
    index = load_fleet(setup.fleet, setup.devices).index(device)
    return Worker(device, task.parts[index], classes=task.classes, seed=setup.seed)


def _reply(arrays: Arrays, samples: int, **metrics: float) -> Reply:
    return Reply(arrays=arrays, metrics={"samples": float(samples), **metrics})


def _whole(order: Order, name: str) -> int:
    value = order.settings[name]
    assert isinstance(value, int)
    return value


def _number(order: Order, name: str) -> float:
    value = order.settings[name]
    assert isinstance(value, float)
    return value
