"""Which exchange a plan needs on Flower: plain, with privacy, or with secure aggregation."""

from flwr.app import Context
from flwr.serverapp import Grid

from training.federated.engine.flower.exchange import FlowerCarrier
from training.federated.fleet import load_fleet
from training.federated.running import Plan


def flower_carrier(plan: Plan, grid: Grid, context: Context) -> FlowerCarrier:
    """The exchange for a plan."""
    if plan.privacy is not None:
        from training.federated.engine.flower.private import PrivateCarrier

        population = len(load_fleet(plan.setup.fleet, plan.setup.devices).devices)
        return PrivateCarrier(
            grid, timeout_s=plan.timeout_s, privacy=plan.privacy, population=population
        )
    if plan.secure:
        from training.federated.engine.flower.secure import SecureCarrier

        return SecureCarrier(grid, timeout_s=plan.timeout_s, context=context)
    return FlowerCarrier(grid, timeout_s=plan.timeout_s)
