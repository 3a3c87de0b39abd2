"""CAFF's two decisions as pure functions over tables: the fleet's architecture, a device's depth.

A planner on the device can ask the same functions with tables of its own.
"""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from platforms.errors import InvalidInput


class Cost(Struct, frozen=True, kw_only=True):
    """What a round of training asks of a device: peak memory, FLOPs, and what it sends."""

    memory_bytes: float
    flops: float
    up_bytes: float


class Limits(Struct, frozen=True, kw_only=True):
    """What a device can give in a round; nothing named is no limit."""

    memory_bytes: float = math.inf
    flops: float = math.inf
    up_bytes: float = math.inf


class Architecture(Struct, frozen=True, kw_only=True):
    """A pre-trained model, and what training it costs by the number of layers that are trained.

    A number that is not in `costs` is not on offer: a method that trains all layers or nothing has
    one entry.
    """

    name: str
    layers: int
    costs: Mapping[int, Cost]


def fits(cost: Cost, limits: Limits) -> bool:
    """Whether a device can bear the cost."""
    return (
        cost.memory_bytes <= limits.memory_bytes
        and cost.flops <= limits.flops
        and cost.up_bytes <= limits.up_bytes
    )


def choose_depth(costs: Mapping[int, Cost], limits: Limits) -> int | None:
    """The most layers that a device can train; None where none of the offers fits.

    >>> table = {k: Cost(memory_bytes=10 + k, flops=1, up_bytes=k) for k in range(5)}
    >>> choose_depth(table, Limits(memory_bytes=12.5))
    2
    >>> choose_depth(table, Limits(memory_bytes=9)) is None
    True
    """
    return max((depth for depth, cost in costs.items() if fits(cost, limits)), default=None)


def trained_layers(architecture: Architecture, fleet: Sequence[Limits]) -> float:
    """Layers that devices of the fleet train on average; who cannot take part trains none."""
    depths = (choose_depth(architecture.costs, limits) for limits in fleet)
    return sum(depth or 0 for depth in depths) / len(fleet)


def taking_part(architecture: Architecture, fleet: Sequence[Limits]) -> float:
    """The share of the fleet that can take part at all."""
    return sum(choose_depth(architecture.costs, limits) is not None for limits in fleet) / len(
        fleet
    )


def choose_architecture(family: Sequence[Architecture], fleet: Sequence[Limits]) -> Architecture:
    """The architecture of which devices train the most layers on average.

    Of equals the one that more devices can train, then the one of fewer layers, which costs less.
    InvalidInput where no device can train any.
    """
    if not family or not fleet:
        raise InvalidInput(
            f"family and fleet must not be empty (got {len(family)} architectures, "
            f"{len(fleet)} devices)"
        )
    best = max(
        family,
        key=lambda each: (trained_layers(each, fleet), taking_part(each, fleet), -each.layers),
    )
    if not taking_part(best, fleet):
        names = ", ".join(each.name for each in family)
        raise InvalidInput(
            f"limits must let one device train one of {names}, and none can (got {_most(fleet)} "
            "at most)"
        )
    return best


def _most(fleet: Sequence[Limits]) -> str:
    return (
        f"{max(limits.memory_bytes for limits in fleet):g} bytes of memory, "
        f"{max(limits.flops for limits in fleet):g} FLOPs, "
        f"{max(limits.up_bytes for limits in fleet):g} bytes sent"
    )
