"""CAFF: each device trains as many layers as its constraints allow (arXiv 2411.07826)."""

from typing import TYPE_CHECKING

from training.federated.system import Client, Server, Setup, System
from training.federated.systems.caff.methods import METHODS
from training.federated.systems.caff.options import CaffOptions

if TYPE_CHECKING:
    from training.federated.study import Study


def _server(setup: Setup) -> Server:
    from training.federated.registry import options_of
    from training.federated.systems.caff.planner import plan_of
    from training.federated.systems.suffix_tuning.server import SuffixServer

    options = options_of(setup, CaffOptions)
    return SuffixServer(setup, options, plan_of(setup, options))


def _client(setup: Setup, device: str) -> Client:
    from training.federated.systems.suffix_tuning.client import SuffixClient

    return SuffixClient(setup, device)


def _study() -> "Study":
    from training.federated.systems.caff.study import STUDY

    return STUDY


SYSTEM = System(
    name="caff",
    paper="arXiv 2411.07826",
    summary="the last layers are trained, as many as a device's memory, FLOPs and upload allow",
    methods=METHODS,
    options=CaffOptions,
    default_task="topics",
    server=_server,
    client=_client,
    study=_study,
    leaves_device="the trained layers, pooler and head",
)
