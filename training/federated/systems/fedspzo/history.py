"""Slopes along the round's directions travel both ways; everybody replays what all have found.

A row of the history is a seed with the slopes of a round's steps along that seed's directions.
What a device has not seen of it comes with its next order, so that it holds the server's weights,
bit for bit, without ever being sent a weight.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.dice import seed_for
from training.federated.exchange import Arrays, Order, Reply
from training.federated.fleet import Device
from training.federated.system import State
from training.federated.systems.fedspzo.chain import Weights
from training.federated.systems.fedspzo.descend import replay
from training.federated.systems.fedspzo.noise import Vector, fingerprint
from training.federated.systems.fedspzo.weighing import shares
from training.federated.systems.fedspzo.workbench import Workbench

Seeds = NDArray[np.int64]


class HistoryServer:
    """The server's part: the history, and how much of it each device is known to have."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        plan = bench.plan
        self.weights: Weights = bench.initial()
        self.seeds: Seeds = np.zeros(0, np.int64)
        self.slopes: Vector = np.zeros((0, plan.steps, plan.samples), np.float32)
        self._seen: dict[str, int] = {}

    def orders(self, round_: int, devices: Sequence[Device]) -> dict[str, Order]:
        """Estimate along the round's directions, after what was missed."""
        return {device.name: self._order(round_, device.name) for device in devices}

    def _order(self, round_: int, device: str) -> Order:
        start = self._seen.get(device, 0)
        seed = self._seed(round_, device)
        missed: Arrays = {"seeds": self.seeds[start:], "slopes": self.slopes[start:]}
        plan = self._bench.plan
        return Order(
            arrays=missed if start < len(self.seeds) else {},
            settings={"round": round_, "start": start, "seed": seed, "noise": fingerprint(seed)},
            returns={"slopes": (plan.steps, plan.samples)},
            metrics=("samples", "loss", "ready"),
        )

    def _seed(self, round_: int, device: str) -> int:
        own = (device,) if self._bench.options.own_seeds else ()
        return seed_for(self._bench.setup.seed, "directions", round_, *own)

    def absorb(self, round_: int, replies: Mapping[str, Reply]) -> tuple[str, ...]:
        """Step down by what was found; returns who could not follow and is to get all again."""
        ready = {name: reply for name, reply in replies.items() if reply.metrics["ready"] == 1}
        behind = tuple(name for name in replies if name not in ready)
        self._seen |= dict.fromkeys(ready, len(self.seeds)) | dict.fromkeys(behind, 0)
        for seed, slopes in self._rows(round_, ready):
            self.seeds = np.append(self.seeds, np.int64(seed))
            self.slopes = np.concatenate([self.slopes, slopes[np.newaxis]])
            replay(self.weights, seed, slopes, self._bench.rates, self._bench.noise)
        return behind

    def _rows(self, round_: int, ready: Mapping[str, Reply]) -> list[tuple[int, Vector]]:
        """What a round adds: along common directions the mean, along own ones each one's share."""
        if not ready:
            return []
        found = [
            share * reply.arrays["slopes"].astype(np.float64)
            for share, reply in zip(shares(ready), ready.values(), strict=True)
        ]
        if not self._bench.options.own_seeds:
            return [(self._seed(round_, ""), np.sum(found, axis=0).astype(np.float32))]
        seeds = [self._seed(round_, name) for name in ready]
        return [(s, part.astype(np.float32)) for s, part in zip(seeds, found, strict=True)]

    def replayed(self, order: Order) -> int:
        """How many rows the device of this order has to replay."""
        return len(order.arrays.get("seeds", ()))

    def state(self) -> State:
        """See Server."""
        flat = self._bench.chain.packed(self.weights)
        arrays: Arrays = {"weights": flat, "seeds": self.seeds, "slopes": self.slopes}
        return State(arrays=arrays, values={"seen": dict(self._seen)})

    def restore(self, state: State) -> None:
        """See Server."""
        self.weights = self._bench.chain.unpacked(state.arrays["weights"])
        self.seeds = np.array(state.arrays["seeds"], np.int64)
        self.slopes = np.array(state.arrays["slopes"], np.float32)
        self._seen = dict(state.values["seen"])


class HistoryClient:
    """A device's part: its memory holds its weights and how many rows they have seen.

    Where these are fewer than the server takes it to have, or more than there are, it takes no part
    in the round and is then sent the whole history.
    """

    def __init__(self, bench: Workbench, device: str, part: int) -> None:
        self._bench, self._device = bench, device
        self._examples = bench.task.parts[part]

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        seed, start = int(str(order.settings["seed"])), int(str(order.settings["start"]))
        check_noise(seed, order)
        plan = self._bench.plan
        weights, known = self._recall(memory)
        rows = start + len(order.arrays.get("seeds", ()))
        if known > rows:
            memory.clear()
        if not start <= known <= rows:
            nothing = np.zeros((plan.steps, plan.samples), np.float32)
            return Reply(
                arrays={"slopes": nothing}, metrics={"samples": 1.0, "loss": 0.0, "ready": 0.0}
            )
        self._follow(order, weights, known - start)
        memory["weights"] = self._bench.chain.packed(weights)
        memory["rows"] = np.array([rows], np.int64)
        return self._steps(weights, seed, int(str(order.settings["round"])))

    def _recall(self, memory: dict[str, NDArray[Any]]) -> tuple[Weights, int]:
        kept = memory.get("weights")
        if kept is None or kept.size != self._bench.chain.parameters or "rows" not in memory:
            return self._bench.initial(), 0
        return self._bench.chain.unpacked(kept), int(memory["rows"][0])

    def _follow(self, order: Order, weights: Weights, done: int) -> None:
        if not order.arrays:
            return
        seeds, slopes = order.arrays["seeds"][done:], order.arrays["slopes"][done:]
        for seed, row in zip(seeds, slopes, strict=True):
            replay(weights, int(seed), row, self._bench.rates, self._bench.noise)

    def _steps(self, weights: Weights, seed: int, round_: int) -> Reply:
        """Local steps on weights that are given up afterwards: only the slopes are wanted."""
        bench = self._bench
        found: list[Vector] = []
        losses, samples = [], 0
        batches = bench.rows(self._device, round_, len(self._examples))
        for step, rows in enumerate(batches):
            if found:
                bench.descend(weights, found[-1], seed, step - 1)
            estimate = bench.estimate(weights, self._examples, rows, seed, step)
            found.append(estimate.slopes)
            losses.append(estimate.loss)
            samples += len(rows)
        metrics = {"samples": float(samples), "loss": float(np.mean(losses)), "ready": 1.0}
        return Reply(arrays={"slopes": np.stack(found)}, metrics=metrics)


def check_noise(seed: int, order: Order) -> None:
    """InvalidInput where this machine draws other directions than the server."""
    wanted, drawn = order.settings["noise"], fingerprint(seed)
    if drawn != wanted:
        raise InvalidInput(
            f"directions must have the server's fingerprint {wanted} (got {drawn}); "
            "server and devices need numpy versions that draw the same normal numbers"
        )
