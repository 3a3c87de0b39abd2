"""A device's part of FedSPZO and its baselines."""

from collections.abc import Callable

from training.federated.fleet import load_fleet
from training.federated.system import Client, Setup
from training.federated.systems.fedspzo.averaging import AveragingClient
from training.federated.systems.fedspzo.history import HistoryClient
from training.federated.systems.fedspzo.pool import PoolClient
from training.federated.systems.fedspzo.workbench import Workbench, workbench

_CARRIERS: dict[str, Callable[[Workbench, str, int], Client]] = {
    "history": HistoryClient,
    "pool": PoolClient,
    "weights": AveragingClient,
}


def zeroth_order_client(setup: Setup, device: str) -> Client:
    """The part of a device of the setup's fleet."""
    bench = workbench(setup)
    part = load_fleet(setup.fleet, setup.devices).index(device)
    return _CARRIERS[bench.plan.carrier](bench, device, part)
