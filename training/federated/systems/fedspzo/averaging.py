"""FedMeZO: devices step along directions of their own, and all their weights travel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import seed_for
from training.federated.exchange import Order, Reply
from training.federated.fleet import Device
from training.federated.system import State
from training.federated.systems.fedspzo.chain import Weights
from training.federated.systems.fedspzo.weighing import shares
from training.federated.systems.fedspzo.workbench import Workbench


class AveragingServer:
    """The server's part: the mean of the weights, by samples."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.weights: Weights = bench.initial()

    def orders(self, round_: int, devices: Sequence[Device]) -> dict[str, Order]:
        """Step from these weights."""
        order = Order(
            arrays={"weights": self._bench.chain.packed(self.weights)},
            settings={"round": round_},
            returns={"weights": (self._bench.chain.parameters,)},
            metrics=("samples", "loss"),
        )
        return {device.name: order for device in devices}

    def absorb(self, round_: int, replies: Mapping[str, Reply]) -> tuple[str, ...]:
        """Take the mean; no sound reply is refused."""
        del round_
        if replies:
            parts = [reply.arrays["weights"].astype(np.float64) for reply in replies.values()]
            mean = np.tensordot(np.array(shares(replies)), np.stack(parts), 1)
            self.weights = self._bench.chain.unpacked(mean.astype(np.float32))
        return ()

    def replayed(self, order: Order) -> int:
        """Nothing is replayed."""
        del order
        return 0

    def state(self) -> State:
        """See Server."""
        return State(arrays={"weights": self._bench.chain.packed(self.weights)})

    def restore(self, state: State) -> None:
        """See Server."""
        self.weights = self._bench.chain.unpacked(state.arrays["weights"])


class AveragingClient:
    """A device's part: it keeps nothing between orders."""

    def __init__(self, bench: Workbench, device: str, part: int) -> None:
        self._bench, self._device = bench, device
        self._examples = bench.task.parts[part]

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        del memory
        bench, round_ = self._bench, int(str(order.settings["round"]))
        weights = bench.chain.unpacked(order.arrays["weights"])
        seed = seed_for(bench.setup.seed, "directions", round_, self._device)
        losses, samples = [], 0
        for step, rows in enumerate(bench.rows(self._device, round_, len(self._examples))):
            estimate = bench.estimate(weights, self._examples, rows, seed, step)
            bench.descend(weights, estimate.slopes, seed, step)
            losses.append(estimate.loss)
            samples += len(rows)
        return Reply(
            arrays={"weights": bench.chain.packed(weights)},
            metrics={"samples": float(samples), "loss": float(np.mean(losses))},
        )
