"""What server and devices of a method share: the network, the data, the method's own steps."""

from functools import lru_cache

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from training.federated.batches import batches
from training.federated.dice import seed_for
from training.federated.models.load import load_model
from training.federated.models.shape import Shape, shape_of
from training.federated.registry import options_of
from training.federated.system import Setup
from training.federated.systems.fedspzo.bert import bert_chain
from training.federated.systems.fedspzo.chain import Chain, Weights
from training.federated.systems.fedspzo.descend import Rates, descend
from training.federated.systems.fedspzo.estimate import Estimate, central, forward, loss_of
from training.federated.systems.fedspzo.noise import PROCESS, Vector
from training.federated.systems.fedspzo.options import Options
from training.federated.systems.fedspzo.plan import Plan, plan_of
from training.federated.tasks.load import load_task
from training.federated.tasks.task import Examples, Task

_AT_ONCE = 256  # examples of a forward pass that judges


class Workbench:
    """A method's network and settings, as its setup has them.

    The network runs on weights that it is handed and keeps none, so all devices of a process may
    share it.
    """

    def __init__(self, setup: Setup) -> None:
        torch.set_num_threads(1)
        self.setup = setup
        self.options = options_of(setup, Options)
        self.task: Task = load_task(setup)
        model = load_model(self.task.model, setup.models, self.task.classes, setup.seed)
        self.shape: Shape = shape_of(model)
        self.chain: Chain = bert_chain(model)
        self.plan: Plan = plan_of(setup.method, self.options, self.chain.layers)
        boundary = self.chain.boundary(self.plan.first) if self.plan.split else 0
        rate = self.options.learning_rate
        self.rates = Rates(boundary, rate * self.options.low_share, rate)
        self.noise = PROCESS

    def initial(self) -> Weights:
        """The pre-trained weights, a copy."""
        return [part.copy() for part in self.chain.initial]

    def estimate(
        self, weights: Weights, examples: Examples, rows: NDArray[np.int64], seed: int, step: int
    ) -> Estimate:
        """The method's own estimate on some of the examples."""
        inputs = torch.from_numpy(examples.x[rows])
        loss = loss_of(torch.from_numpy(examples.y[rows]))
        samples, eps, noise = self.plan.samples, self.options.eps, self.noise
        if not self.plan.central:
            return forward(
                self.chain, weights, inputs, loss,
                seed=seed, step=step, samples=samples, eps=eps, noise=noise,
            )  # fmt: skip
        return central(
            self.chain, weights, inputs, loss,
            seed=seed, step=step, boundary=self.rates.boundary,
            samples=samples, eps=eps, noise=noise,
        )  # fmt: skip

    def descend(self, weights: Weights, slopes: Vector, seed: int, step: int) -> None:
        """A step down by these slopes, in place."""
        descend(weights, slopes, seed, step, self.rates, self.noise)

    def rows(self, device: str, round_: int, count: int) -> list[NDArray[np.int64]]:
        """Which of a device's examples each local step of a round sees."""
        seed = seed_for(self.setup.seed, "fedspzo", "batches", device, round_)
        batch, steps = self.options.batch, self.plan.steps
        return list(batches(count, batch=batch, steps=steps, seed=seed))

    def accuracy(self, weights: Weights, examples: Examples) -> float:
        """Share of right answers."""
        right = 0
        for start in range(0, len(examples.y), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            answers = self.chain.run(weights, torch.from_numpy(examples.x[part])).argmax(-1)
            right += int((answers.numpy() == examples.y[part]).sum())
        return right / len(examples.y)


def workbench(setup: Setup) -> Workbench:
    """The workbench of a setup, made once per process for the setups that are in use."""
    return _workbench(msgspec.json.encode(setup))


@lru_cache(maxsize=2)
def _workbench(text: bytes) -> Workbench:
    return Workbench(msgspec.json.decode(text, type=Setup))
