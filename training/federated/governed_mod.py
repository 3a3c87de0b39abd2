"""A mod for any ClientApp of Flower's: what it trains goes on as the ilgov daemon grants.

    app = ClientApp(mods=[governed_mod("capability.json", folder="kept")])

    @app.train()
    def train(message, context):
        ...
        pace = new_pace()
        for rows in pace.batches(model, optimiser, len(x), batch=16, steps=125, seed=0):
            ...
            pace.step(loss.item(), len(rows))

The reply's metrics say what was expected of the round and what was done of it. Without the mod the
same lines train as ordered.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flwr.app import Context, Message
from flwr.clientapp.typing import ClientAppCallable, Mod

from rm.client import DEFAULT_SOCKET
from training.federated.pace import paced_by

if TYPE_CHECKING:
    from training.federated.governed_pace import GovernedDevice

GOVERNED, SOCKET, KEPT = "governed", "ilgov-socket", "governed-folder"
"""Keys of a SuperNode's --node-config: the capability's file, the daemon's socket, the folder."""

MARGIN = 0.1
"""Share of the time until the deadline that is left for the way back (assumed)."""


def governed_mod(
    capability: str, *, folder: str, socket: str = DEFAULT_SOCKET, name: str = "flower"
) -> Mod:
    """A mod that governs training; `folder` keeps what is interrupted."""
    told = {GOVERNED: capability, SOCKET: socket, KEPT: folder, "device": name}

    def mod(message: Message, context: Context, go_on: ClientAppCallable) -> Message:
        with governed(message, told) as device:
            answer = go_on(message, context)
        if device is not None and answer.has_content():
            for metrics in answer.content.metric_records.values():
                metrics.update(device.said)
        return answer

    return mod


@contextmanager
def governed(message: Message, told: Mapping[str, Any]) -> "Iterator[GovernedDevice | None]":
    """Govern what is trained within the block, where `told` names a capability; else None."""
    if not told.get(GOVERNED):
        yield None
        return
    from training.federated.governed_pace import GovernedDevice

    device = GovernedDevice(
        capability=Path(str(told[GOVERNED])),
        folder=Path(str(told[KEPT])),
        ends_s=time.monotonic() + time_left_s(message, time.time()),
        name=str(told.get("device", "flower")),
        socket=str(told.get(SOCKET, DEFAULT_SOCKET)),
    )
    with paced_by(device.pace):
        yield device


def time_left_s(message: Message, now_s: float) -> float:
    """Seconds until the server waits no longer, less a margin for the way back.

    A message says when it was made, by the server's clock, and how long it holds. Where the clocks
    differ by more than that, only how long it holds counts.
    """
    holds_s = float(message.metadata.ttl)
    left_s = float(message.metadata.created_at) + holds_s - now_s
    return (left_s if 0.0 < left_s <= holds_s else holds_s) * (1.0 - MARGIN)
