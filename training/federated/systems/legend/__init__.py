"""LEGEND: LoRA depth per device, ranks that rise towards the output (arXiv 2412.20004)."""

from typing import TYPE_CHECKING

from training.federated.system import Client, Server, Setup, System
from training.federated.systems.legend.methods import METHODS
from training.federated.systems.legend.options import LegendOptions

if TYPE_CHECKING:
    from training.federated.study import Study


def _server(setup: Setup) -> Server:
    from training.federated.registry import options_of
    from training.federated.systems.legend.planner import planner_of
    from training.federated.systems.suffix_tuning.server import SuffixServer

    options = options_of(setup, LegendOptions)
    return SuffixServer(setup, options, planner_of(setup, options))


def _client(setup: Setup, device: str) -> Client:
    from training.federated.systems.suffix_tuning.client import SuffixClient

    return SuffixClient(setup, device)


def _study() -> "Study":
    from training.federated.systems.legend.study import STUDY

    return STUDY


SYSTEM = System(
    name="legend",
    paper="arXiv 2412.20004",
    summary="LoRA as deep as a device's speed allows, with ranks that rise towards the output",
    methods=METHODS,
    options=LegendOptions,
    default_task="topics",
    server=_server,
    client=_client,
    study=_study,
    leaves_device="LoRA factors, pooler and head",
)
