"""All devices in this process: the engine of studies and tests."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.exchange import Arrays, Order, Reply, fault
from training.federated.system import Client, Setup, System

LOST = "lost"
"""The reason of a reply that was lost on its way, as `drop_share` asks."""


class Failure(Struct, frozen=True, kw_only=True):
    """A reply that did not reach the server, and why."""

    round: int
    device: str
    reason: str


class InProcess:
    """An exchange with clients in this process; `failures` are the replies that were left out.

    Arrays are copied on their way, as a network would: neither side can change the other's. With
    `drop_share` > 0 a device is lost in a round with that probability: it does what it is told,
    and nothing that it sends in that round arrives. Whoever plays the rounds sets `round`.
    """

    def __init__(self, system: System, setup: Setup, *, drop_share: float = 0.0) -> None:
        """Clients are built when they are first needed; nothing but memory needs them to stay."""
        self.failures: list[Failure] = []
        self.round = 1
        self._system, self._setup, self._drop_share = system, setup, drop_share
        self._clients: dict[str, Client] = {}
        self.memory: dict[str, dict[str, NDArray[Any]]] = {}

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange; an error in a client is raised: here it is a mistake in the system."""
        replies = {}
        for device, order in orders.items():
            reply = self._reply(device, order)
            reason = LOST if self._is_lost(device) else fault(order, reply)
            if reason is None:
                replies[device] = reply
            else:
                failure = Failure(round=self.round, device=device, reason=reason)
                self.failures.append(failure)
        return replies

    def _reply(self, device: str, order: Order) -> Reply:
        if device not in self._clients:
            self._clients[device] = self._system.client(self._setup, device)
        memory = self.memory.setdefault(device, {})
        told = Order(
            action=order.action, arrays=_copied(order.arrays), settings=dict(order.settings)
        )
        reply = self._clients[device].act(told, memory)
        self.memory[device] = _copied(memory)
        metrics = {name: float(value) for name, value in reply.metrics.items()}
        return Reply(arrays=_copied(reply.arrays), metrics=metrics)

    def _is_lost(self, device: str) -> bool:
        if self._drop_share == 0:
            return False
        chance = dice(self._setup.seed, "lost", self.round, device).random()
        return bool(chance < self._drop_share)


def _copied(arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {name: np.array(array) for name, array in arrays.items()}
