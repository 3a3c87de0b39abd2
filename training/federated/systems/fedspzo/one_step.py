"""How far one step goes, per layer-forward: what an estimate is worth, before any luck of a run.

At given weights, steps along estimates from single batches are taken at several rates, and the loss
is read off on many examples. The rate is chosen by half of the estimates and judged by the others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.local import train_steps
from training.federated.models.load import load_model
from training.federated.system import Setup
from training.federated.systems.fedspzo.bert import bert_chain
from training.federated.systems.fedspzo.chain import Weights
from training.federated.systems.fedspzo.estimate import loss_of
from training.federated.systems.fedspzo.workbench import Workbench


def measure(
    *,
    method: str,
    task: str,
    options: dict[str, Any],
    rates: Sequence[float],
    estimates: int,
    examples: int,
    warm_steps: int,
) -> dict[str, Any]:
    """The loss that a step takes off at its best rate, estimate by estimate.

    `warm_steps` first-order steps of AdamW come first: with 0, the pre-trained weights are left
    from. JSON: layer-forwards of a step, its best rate, the loss before, decreases of the loss.
    """
    setup = Setup(system="fedspzo", method=method, task=task, devices=1, options=options)
    bench = Workbench(setup)
    weights = _warmed(bench, warm_steps)
    rows = dice(0, "one step").choice(len(bench.task.parts[0]), examples, replace=False)
    judge = _Judge(bench, weights, rows)
    drops = np.array([judge.drops(number, rates) for number in range(estimates)])
    choose, report = drops[::2], drops[1::2]
    best = int(choose.mean(axis=0).argmax())
    return {
        "layer_forwards": bench.plan.step_forwards,
        "rate": rates[best],
        "loss": judge.before,
        "drops": report[:, best].tolist(),
    }


def _warmed(bench: Workbench, steps: int) -> Weights:
    if not steps:
        return bench.initial()
    task, setup = bench.task, bench.setup
    model = load_model(task.model, setup.models, task.classes, setup.seed)
    train_steps(
        model, task.parts[0], steps=steps, batch=16, learning_rate=3e-4, optimiser="adamw", seed=0
    )
    return bert_chain(model).initial


class _Judge:
    """Reads off the loss on the same examples after a step."""

    def __init__(self, bench: Workbench, weights: Weights, rows: NDArray[np.int64]) -> None:
        part = bench.task.parts[0]
        self._bench, self._weights = bench, weights
        self._inputs = torch.from_numpy(part.x[rows])
        self._loss = loss_of(torch.from_numpy(part.y[rows]))
        self.before = self._at(weights)

    def _at(self, weights: Weights) -> float:
        return self._loss(self._bench.chain.run(weights, self._inputs))

    def drops(self, number: int, rates: Sequence[float]) -> list[float]:
        """What a step along an estimate of its own takes off the loss, at each rate."""
        bench, part = self._bench, self._bench.task.parts[0]
        rows = dice(number, "batch").choice(len(part), bench.options.batch, replace=False)
        slopes = bench.estimate(self._weights, part, rows, number, 0).slopes
        moved: Weights = [np.zeros_like(part) for part in self._weights]
        bench.descend(moved, slopes, number, 0)
        scale = [np.float32(rate / bench.options.learning_rate) for rate in rates]
        return [
            self.before - self._at([w + s * m for w, m in zip(self._weights, moved, strict=True)])
            for s in scale
        ]
