"""A toy whose devices depend on what they remember, and misbehave where they are told to.

``find_system("tests.training.federated.engine.awkward:SYSTEM")``
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from tests.training.federated.toy import FLEET, ToyClient, ToyServer, study
from training.federated.exchange import Order, Reply
from training.federated.fleet import Device
from training.federated.registry import options_of
from training.federated.system import Setup, System

NAME = "tests.training.federated.engine.awkward:SYSTEM"
PATIENCE_S = 120.0


class AwkwardOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Who misbehaves, as "device@round": returns garbage, or writes to `hangs` and hangs.

    The server hangs once, in the round that `server_hang` names, after writing to `server_hangs`.
    """

    garbage: tuple[str, ...] = ()
    hang: str = ""
    hangs: str = ""
    server_hang: int = 0
    server_hangs: str = ""
    learning_rate: float = 0.5
    steps: int = 4


class AwkwardServer(ToyServer):
    """The toy's server, with the options above."""

    def __init__(self, setup: Setup) -> None:
        self.awkward = options_of(setup, AwkwardOptions)
        super().__init__(replace_options(setup))

    def orders(self, round_: int, present: Sequence[Device]) -> Mapping[str, Order]:
        """The toy's."""
        if round_ == self.awkward.server_hang and not Path(self.awkward.server_hangs).exists():
            Path(self.awkward.server_hangs).write_text("I hang")
            time.sleep(PATIENCE_S)
        return {
            device: replace(order, settings={**order.settings, "device": device})
            for device, order in super().orders(round_, present).items()
        }


class AwkwardClient:
    """Its step shrinks with the orders it remembers."""

    def __init__(self, setup: Setup, device: str) -> None:
        self.options, self.device = options_of(setup, AwkwardOptions), device
        self.toy = ToyClient(replace_options(setup), device)

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """See Client."""
        reply = self.toy.act(order, memory)
        now = f"{self.device}@{order.settings['round']}"
        if now == self.options.hang:
            Path(self.options.hangs).write_text("I hang")
            time.sleep(PATIENCE_S)
        share = 1.0 / float(memory["asked"][0])
        start = np.asarray(order.arrays["weights"])
        weights = start + share * (reply.arrays["weights"] - start)
        if now in self.options.garbage:
            weights = np.full(7, np.nan)
        return Reply(arrays={"weights": weights}, metrics=reply.metrics)


def replace_options(setup: Setup) -> Setup:
    """The toy's own part of the options."""
    options = options_of(setup, AwkwardOptions)
    kept = {"learning_rate": options.learning_rate, "steps": options.steps}
    return Setup(
        **{**{name: getattr(setup, name) for name in setup.__struct_fields__}, "options": kept}
    )


def awkward_setup(**changes: Any) -> Setup:
    """A setup that runs in milliseconds."""
    given = {"method": "awkward", "fleet": FLEET, **changes}
    return Setup(system=NAME, task="plane", **given)


SYSTEM = System(
    name="awkward",
    paper="none",
    summary="a toy that misbehaves",
    methods=("awkward",),
    options=AwkwardOptions,
    default_task="plane",
    server=AwkwardServer,
    client=AwkwardClient,
    study=study,
)
