"""A system in numpy that is small enough for tests: softmax regression on points in a plane.

``find_system("tests.training.federated.toy:SYSTEM")``
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.exchange import Exchange, Order, Reply
from training.federated.fleet import Device, load_fleet
from training.federated.registry import options_of
from training.federated.study import Outcome, PlainStudy, Size, Table
from training.federated.system import Played, Setup, State, System

NAME = "tests.training.federated.toy:SYSTEM"
FLEET = str(Path(__file__).with_name("toy_fleet.toml"))
CLASSES, FEATURES = 3, 3
SHAPE = (FEATURES, CLASSES)
STEP_FLOPS = 1e9
ENERGY_J_PER_S = 2.0

Floats = NDArray[np.float64]


class ToyOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Local steps, and how far each goes."""

    learning_rate: float = 0.5
    steps: int = 4


def points(seed: int, purpose: str, count: int) -> tuple[Floats, NDArray[np.int64]]:
    """Points around three centres, with a constant 1 as third feature."""
    chance = dice(seed, "toy", purpose)
    labels = chance.integers(CLASSES, size=count)
    angles = 2 * np.pi * labels / CLASSES
    centres = 1.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = centres + chance.normal(size=(count, 2))
    return np.hstack([found, np.ones((count, 1))]), labels


def shares(weights: Floats, x: Floats) -> Floats:
    """Softmax of the scores."""
    scores = x @ weights
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def trained(weights: Floats, x: Floats, y: NDArray[np.int64], rate: float) -> Floats:
    """One step of gradient descent on all points."""
    slope = x.T @ (shares(weights, x) - np.eye(CLASSES)[y]) / len(y)
    return np.asarray(weights - rate * slope)


class ToyServer:
    """The mean of what devices send, weighted by samples."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.options = setup, options_of(setup, ToyOptions)
        self.steps = 1 if setup.method == "one-step" else self.options.steps
        self.fleet = load_fleet(setup.fleet, setup.devices)
        self.weights = np.zeros(SHAPE)

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """See Server."""
        orders = self.orders(round_, present)
        return self.absorb(round_, orders, exchange(orders))

    def orders(self, round_: int, present: Sequence[Device]) -> Mapping[str, Order]:
        """See SingleExchange."""
        order = Order(
            arrays={"weights": self.weights},
            settings={"round": round_, "steps": self.steps},
            returns={"weights": SHAPE},
            metrics=("samples", "loss"),
        )
        return {device.name: order for device in present}

    def absorb(
        self, round_: int, orders: Mapping[str, Order], replies: Mapping[str, Reply]
    ) -> Played:
        """See SingleExchange."""
        del round_
        if replies:
            samples = np.array([reply.metrics["samples"] for reply in replies.values()])
            stacked = np.stack([reply.arrays["weights"] for reply in replies.values()])
            self.weights = np.tensordot(samples / samples.sum(), stacked, 1)
        devices = [device for device in self.fleet.devices if device.name in orders]
        times_s = [self._time_s(device) for device in devices]
        return Played(
            time_s=max(times_s),
            waiting_s=sum(max(times_s) - time_s for time_s in times_s),
            energy_j=sum(ENERGY_J_PER_S * time_s for time_s in times_s),
            up_bytes=self.weights.nbytes * len(orders),
            down_bytes=self.weights.nbytes * len(orders),
            flops=STEP_FLOPS * self.steps * len(orders),
            peak_bytes=3 * self.weights.nbytes,
            participants=len(orders),
            failed=tuple(name for name in orders if name not in replies),
            notes={"steps": float(self.steps * len(orders))},
        )

    def _time_s(self, device: Device) -> float:
        compute_s = STEP_FLOPS * self.steps / device.flops_per_s
        return compute_s + self.weights.nbytes / device.up_bytes_per_s

    def accuracy(self, split: str) -> float:
        """See Server."""
        x, y = points(self.setup.seed, split, 200)
        return float(np.mean(np.argmax(x @ self.weights, axis=1) == y))

    def state(self) -> State:
        """See Server."""
        return State(arrays={"weights": self.weights})

    def restore(self, state: State) -> None:
        """See Server."""
        self.weights = np.array(state.arrays["weights"])


class ToyClient:
    """Steps on points of its own; it remembers how often it was asked."""

    def __init__(self, setup: Setup, device: str) -> None:
        self.options = options_of(setup, ToyOptions)
        self.x, self.y = points(setup.seed, device, 20)

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        memory["asked"] = memory.get("asked", np.zeros(1, np.int64)) + 1
        weights = order.arrays["weights"]
        for _ in range(int(str(order.settings["steps"]))):
            weights = trained(weights, self.x, self.y, self.options.learning_rate)
        right = shares(weights, self.x)[np.arange(len(self.y)), self.y]
        metrics = {"samples": float(len(self.y)), "loss": float(-np.log(right).mean())}
        return Reply(arrays={"weights": weights}, metrics=metrics)


def setups(size: Size, seed: int) -> Sequence[Setup]:
    """Both methods on four devices."""
    del size
    return [toy_setup(method=method, seed=seed) for method in ("toy", "one-step")]


def toy_setup(**changes: Any) -> Setup:
    """A setup that runs in milliseconds."""
    given = {"method": "toy", "fleet": FLEET, **changes}
    return Setup(system=NAME, task="plane", **given)


def tables(size: Size, outcomes: Sequence[Outcome]) -> Sequence[Table]:
    """The accuracy at the end, method by method."""
    del size
    found: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.cell.stage == "final":
            found.setdefault(outcome.cell.setup.method, []).append(outcome.points[-1].test)
    rows = tuple((method, float(np.mean(tests))) for method, tests in found.items())
    ordered = all(first >= second for (_, first), (_, second) in pairwise(rows))
    return [
        Table(
            title="Accuracy at the end",
            columns=("method", "accuracy"),
            rows=rows,
            paper="nothing: it is a toy",
            verdict="more steps are no worse" if ordered else "fewer steps are better",
        )
    ]


def study() -> PlainStudy:
    """The learning rate is tuned."""
    return PlainStudy(
        grid={"learning_rate": (0.02, 0.1, 0.5)}, make_setups=setups, make_tables=tables
    )


SYSTEM = System(
    name="toy",
    paper="none",
    summary="softmax regression on points in a plane",
    methods=("toy", "one-step"),
    options=ToyOptions,
    default_task="plane",
    server=ToyServer,
    client=ToyClient,
    study=study,
)
