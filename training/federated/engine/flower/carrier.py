"""Which exchange a plan needs on Flower: plain, with privacy, or with secure aggregation."""

from typing import Any

from flwr.serverapp import Grid

from training.federated.checkpoint import Memories
from training.federated.engine.flower.exchange import FlowerExchange
from training.federated.running import Plan


class FlowerCarrier(FlowerExchange):
    """An exchange that can be taken up again: devices remember for themselves."""

    def memories(self) -> Memories:
        """None: they are on the devices."""
        return {}

    def extra(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, memories: Memories, extra: dict[str, Any]) -> None:
        """Nothing to do."""


def flower_carrier(plan: Plan, grid: Grid) -> FlowerCarrier:
    """The exchange for a plan."""
    return FlowerCarrier(grid, timeout_s=plan.timeout_s)
