"""Privacy of what devices send: what is asked for, and whether a system's orders allow it.

Differential privacy and secure aggregation as Flower has them are about one thing: the mean of
parameters that all devices change from the same values. That is what a round must be.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.exchange import Arrays, Order, Reply
from training.federated.fleet import load_fleet, present
from training.federated.system import Setup, System

Side = Literal["server", "client"]
_ROUNDS_TRIED = 100


class Privacy(Struct, frozen=True, kw_only=True):
    """Fixed clipping with Gaussian noise, for the record of each device as a whole.

    Changes of the model are clipped to `clipping_norm` (Euclidean) on the server's or the clients'
    `side`; the mean of n devices gets noise of standard deviation
    ``noise_multiplier * clipping_norm / n``. Epsilon is told for `delta`; the run ends before it
    exceeds `max_epsilon` (0: no limit).
    """

    side: Side = "server"
    noise_multiplier: float = 1.0
    clipping_norm: float = 1.0
    delta: float = 1e-5
    max_epsilon: float = 0.0

    def __post_init__(self) -> None:
        """InvalidInput where a figure makes no sense."""
        for name in ("noise_multiplier", "clipping_norm"):
            if not 0 < getattr(self, name) < np.inf:
                raise InvalidInput(f"{name} must be above 0 (got {getattr(self, name)})")
        if not 0 < self.delta < 1:
            raise InvalidInput(f"delta must be between 0 and 1 (got {self.delta})")
        if not 0 <= self.max_epsilon < np.inf:
            raise InvalidInput(f"max_epsilon must be 0 or above (got {self.max_epsilon})")


class NotUniform(InvalidInput):
    """A round that is more than the mean of equal arrays; the text says in what."""


def shared_arrays(orders: Mapping[str, Order], *, alone: bool = False) -> Arrays:
    """The arrays that all devices are sent and send back changed; NotUniform where it is not so.

    `alone`: nothing else may be sent (Flower's clipping on the client compares all it was sent).
    """
    first_device, *others = orders
    first = orders[first_device]
    if not first.returns:
        raise NotUniform(f"devices must return arrays ({first_device} returns only numbers)")
    for device in others:
        if orders[device].returns != first.returns:
            raise NotUniform(
                f"all devices must return the same arrays ({first_device} and {device} differ)"
            )
    for name, shape in first.returns.items():
        _check_carried(name, shape, first)
    for device in others:
        for name in first.returns:
            if not np.array_equal(orders[device].arrays[name], first.arrays[name]):
                raise NotUniform(f"{name} must be the same for all devices (not so for {device})")
    if alone and (more := first.arrays.keys() - first.returns.keys()):
        raise NotUniform(
            f"devices must be sent no more than they return (also sent: {', '.join(sorted(more))})"
        )
    return {name: first.arrays[name] for name in first.returns}


def _check_carried(name: str, shape: tuple[int, ...], order: Order) -> None:
    sent = order.arrays.get(name)
    if sent is None or sent.shape != shape:
        raise NotUniform(
            f"{name} must be parameters that devices were sent (it is returned, but was not sent)"
        )
    if sent.dtype.kind != "f":
        raise NotUniform(f"{name} must be of floating point (got {sent.dtype})")


def check_protection(system: System, setup: Setup, *, alone: bool) -> None:
    """NotUniform, with system and method in its text, if the first orders do not allow it.

    A server plays its first round up to these orders, and is thrown away.
    """
    fleet = load_fleet(setup.fleet, setup.devices)
    rounds = (present(fleet, round_, setup.seed) for round_ in range(1, _ROUNDS_TRIED + 1))
    devices = next((found for found in rounds if found), fleet.devices)
    try:
        system.server(setup).play(1, devices, _show)
    except _Shown as shown:
        try:
            shared_arrays(shown.orders, alone=alone)
        except NotUniform as error:
            raise NotUniform(
                f"{setup.system}, method {setup.method}, cannot be protected so: {error}"
            ) from error


class _Shown(Exception):
    """Carries orders out of a server."""

    def __init__(self, orders: Mapping[str, Order]) -> None:
        super().__init__()
        self.orders = orders


def _show(orders: Mapping[str, Order]) -> Mapping[str, Reply]:
    raise _Shown(orders)


def everybody_sent(
    mean: Mapping[str, NDArray[Any]], replies: Mapping[str, Reply]
) -> dict[str, Reply]:
    """Replies as if each device had sent the mean: all that a server may learn of their arrays.

    Whatever weights a server gives them, it arrives at that mean.
    """
    return {
        device: Reply(arrays=dict(mean), metrics=reply.metrics) for device, reply in replies.items()
    }
