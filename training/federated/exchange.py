"""What a server and its devices say to each other, whoever carries it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
"""Arrays by name: float32, float64 or int64."""

Setting = bool | int | float | str | list[int] | list[float] | list[str]
"""What an order may say beside arrays."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one device is to do.

    `returns` (name -> shape) and `metrics` say what a sound reply holds; they stay with the server,
    which lets no other reply reach its model.
    """

    action: str = "train"
    arrays: Arrays = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    returns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    metrics: tuple[str, ...] = ("samples",)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a device sends back: arrays, and numbers such as `samples` and `loss`."""

    arrays: Arrays = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


class Exchange(Protocol):
    """Carries orders to devices and brings back sound replies; who fails is left out."""

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """Replies by device, in the order of `orders`."""
        ...


def fault(order: Order, reply: Reply) -> str | None:
    """Why a reply must not be used; None where it is sound.

    >>> asked = Order(returns={"w": (2,)})
    >>> fault(asked, Reply(arrays={"w": np.zeros(2)}, metrics={"samples": 3}))
    >>> fault(asked, Reply(arrays={"w": np.array([1.0, np.nan])}, metrics={"samples": 3}))
    'w must be finite'
    """
    if reply.arrays.keys() != order.returns.keys():
        return f"arrays must be {sorted(order.returns)} (got {sorted(reply.arrays)})"
    for name, shape in order.returns.items():
        array = reply.arrays[name]
        if array.dtype.kind not in "fi":
            return f"{name} must be numbers (got {array.dtype})"
        if array.shape != shape:
            return f"{name} must be of shape {shape} (got {array.shape})"
        if not np.isfinite(array).all():
            return f"{name} must be finite"
    for name in order.metrics:
        value = reply.metrics.get(name)
        if value is None or not math.isfinite(value):
            return f"metric {name} must be a finite number (got {value})"
    if "samples" in order.metrics and reply.metrics["samples"] <= 0:
        return f"metric samples must be above 0 (got {reply.metrics['samples']})"
    return None
