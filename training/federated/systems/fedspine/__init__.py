"""FedSpine: structured pruning and LoRA in turn, with a bandit over pruning ratio and rank."""

from typing import TYPE_CHECKING

from training.federated.system import Client, Server, Setup, System
from training.federated.systems.fedspine.options import METHODS, Options

if TYPE_CHECKING:
    from training.federated.study import Study


def _server(setup: Setup) -> Server:
    from training.federated.systems.fedspine.server import FedSpineServer

    return FedSpineServer(setup)


def _client(setup: Setup, device: str) -> Client:
    from training.federated.systems.fedspine.client import FedSpineClient

    return FedSpineClient(setup, device)


def _study() -> "Study":
    from training.federated.systems.fedspine.study import FedSpineStudy

    return FedSpineStudy()


SYSTEM = System(
    name="fedspine",
    paper="arXiv 2501.02438",
    summary="pruning of heads and channels and LoRA in turn; a bandit chooses ratio and rank",
    methods=METHODS,
    options=Options,
    default_task="tokens",
    server=_server,
    client=_client,
    study=_study,
    leaves_device="LoRA factors, the numbers of the heads and channels left, their importance",
)
