"""FedKSeed: a finite pool of seeds with a sum of slopes for each; weights follow from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice, seed_for
from training.federated.exchange import Order, Reply
from training.federated.fleet import Device
from training.federated.system import State
from training.federated.systems.fedspzo.chain import Weights
from training.federated.systems.fedspzo.history import check_noise
from training.federated.systems.fedspzo.noise import Vector, fingerprint
from training.federated.systems.fedspzo.weighing import shares
from training.federated.systems.fedspzo.workbench import Workbench


def rebuilt(bench: Workbench, seed: int, sums: Vector) -> Weights:
    """The pre-trained weights after the steps that `sums` tell, seed by seed of the pool."""
    weights = bench.initial()
    for place in np.flatnonzero(sums):
        bench.descend(weights, sums[place : place + 1], seed, int(place))
    return weights


class PoolServer:
    """The server's part: the sums."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._seed = seed_for(bench.setup.seed, "pool")
        self.sums: Vector = np.zeros(bench.options.pool, np.float32)
        self.weights: Weights = bench.initial()

    def orders(self, round_: int, devices: Sequence[Device]) -> dict[str, Order]:
        """Step along seeds of the pool, from the weights that the sums stand for."""
        steps = self._bench.plan.steps
        order = Order(
            arrays={"sums": self.sums},
            settings={"round": round_, "seed": self._seed, "noise": fingerprint(self._seed)},
            returns={"places": (steps,), "slopes": (steps,)},
            metrics=("samples", "loss"),
        )
        return {device.name: order for device in devices}

    def absorb(self, round_: int, replies: Mapping[str, Reply]) -> tuple[str, ...]:
        """Add each device's share; returns whose reply names seeds that the pool does not have."""
        del round_
        sound = {name: reply for name, reply in replies.items() if self._is_sound(reply)}
        for share, reply in zip(shares(sound), sound.values(), strict=True):
            for place, slope in zip(reply.arrays["places"], reply.arrays["slopes"], strict=True):
                self.sums[place] += np.float32(share * float(slope))
        self.weights = rebuilt(self._bench, self._seed, self.sums)
        return tuple(name for name in replies if name not in sound)

    def _is_sound(self, reply: Reply) -> bool:
        places = reply.arrays["places"]
        return places.dtype.kind == "i" and bool(((places >= 0) & (places < len(self.sums))).all())

    def replayed(self, order: Order) -> int:
        """How many single steps the device of this order has to replay."""
        return int(np.count_nonzero(order.arrays["sums"]))

    def state(self) -> State:
        """See Server."""
        return State(arrays={"sums": self.sums})

    def restore(self, state: State) -> None:
        """See Server."""
        self.sums = np.array(state.arrays["sums"], np.float32)
        self.weights = rebuilt(self._bench, self._seed, self.sums)


class PoolClient:
    """A device's part: it keeps nothing between orders."""

    def __init__(self, bench: Workbench, device: str, part: int) -> None:
        self._bench, self._device = bench, device
        self._examples = bench.task.parts[part]

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        del memory
        bench, seed, round_ = self._bench, *(int(str(order.settings[k])) for k in ("seed", "round"))
        check_noise(seed, order)
        weights = rebuilt(bench, seed, order.arrays["sums"])
        chance = dice(bench.setup.seed, "pool", self._device, round_)
        places = chance.integers(len(order.arrays["sums"]), size=bench.plan.steps)
        slopes, losses, samples = [], [], 0
        batches = bench.rows(self._device, round_, len(self._examples))
        for place, rows in zip(places, batches, strict=True):
            estimate = bench.estimate(weights, self._examples, rows, seed, int(place))
            bench.descend(weights, estimate.slopes, seed, int(place))
            slopes.append(estimate.slopes[0])
            losses.append(estimate.loss)
            samples += len(rows)
        return Reply(
            arrays={"places": places.astype(np.int64), "slopes": np.array(slopes, np.float32)},
            metrics={"samples": float(samples), "loss": float(np.mean(losses))},
        )
