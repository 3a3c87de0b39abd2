"""MergeSFL (arXiv 2311.13348): split training with merged features and regulated batches."""

from typing import TYPE_CHECKING

from training.federated.system import Setup, System
from training.federated.systems.mergesfl.methods import METHODS
from training.federated.systems.mergesfl.options import Options

if TYPE_CHECKING:
    from training.federated.study import Study
    from training.federated.system import Client, Server


def _server(setup: Setup) -> "Server":
    from training.federated.systems.mergesfl.server import make_server

    return make_server(setup)


def _client(setup: Setup, device: str) -> "Client":
    from training.federated.systems.mergesfl.client import make_worker

    return make_worker(setup, device)


def _study() -> "Study":
    from training.federated.systems.mergesfl.study import MergeStudy

    return MergeStudy()


SYSTEM = System(
    name="mergesfl",
    paper="arXiv 2311.13348",
    summary="Split training: features merged into one update, batches by speed, workers by labels.",
    methods=tuple(METHODS),
    options=Options,
    default_task="digits",
    server=_server,
    client=_client,
    study=_study,
    leaves_device="label counts, and of every batch features and labels; the bottom's weights",
)
