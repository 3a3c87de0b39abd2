"""FedSPZO (arXiv 2502.10239): zeroth-order training with cheaper steps in a split network."""

from typing import TYPE_CHECKING

from training.federated.system import Client, Server, Setup, System
from training.federated.systems.fedspzo.options import METHODS, Options

if TYPE_CHECKING:
    from training.federated.study import Study


def _server(setup: Setup) -> Server:
    from training.federated.systems.fedspzo.server import ZerothOrderServer

    return ZerothOrderServer(setup)


def _client(setup: Setup, device: str) -> Client:
    from training.federated.systems.fedspzo.client import zeroth_order_client

    return zeroth_order_client(setup, device)


def _study() -> "Study":
    from training.federated.systems.fedspzo.study import study

    return study()


SYSTEM = System(
    name="fedspzo",
    paper="arXiv 2502.10239",
    summary="zeroth-order steps: one direction in the first block, several in the second",
    methods=METHODS,
    options=Options,
    default_task="renamed",
    server=_server,
    client=_client,
    study=_study,
    leaves_device="slopes of the loss along random directions, and sample counts",
)
