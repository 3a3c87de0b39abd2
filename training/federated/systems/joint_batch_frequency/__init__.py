"""Joint choice of batch size and frequency under a power cap (arXiv 2502.18323)."""

from typing import TYPE_CHECKING

from training.federated.system import Setup, System
from training.federated.systems.joint_batch_frequency.methods import METHODS
from training.federated.systems.joint_batch_frequency.options import Options

if TYPE_CHECKING:
    from training.federated.study import Study
    from training.federated.system import Client, Server


def _server(setup: Setup) -> "Server":
    from training.federated.systems.joint_batch_frequency.server import JointServer

    return JointServer(setup)


def _client(setup: Setup, device: str) -> "Client":
    from training.federated.systems.joint_batch_frequency.client import make_client

    return make_client(setup, device)


def _study() -> "Study":
    from training.federated.systems.joint_batch_frequency.study import JointStudy

    return JointStudy()


SYSTEM = System(
    name="joint-batch-frequency",
    paper="arXiv 2502.18323",
    summary="Batch size and frequency chosen together under a power cap.",
    methods=tuple(METHODS),
    options=Options,
    default_task="digits",
    server=_server,
    client=_client,
    study=_study,
)
