"""What the three ways of carrying steps between server and devices have in common."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from training.federated.exchange import Order, Reply
from training.federated.fleet import Device
from training.federated.system import State
from training.federated.systems.fedspzo.chain import Weights


class Carrier(Protocol):
    """The server's part of a way of carrying steps."""

    weights: Weights
    """The global model's."""

    def orders(self, round_: int, devices: Sequence[Device]) -> dict[str, Order]:
        """An order for each of the devices."""
        ...

    def absorb(self, round_: int, replies: Mapping[str, Reply]) -> tuple[str, ...]:
        """Take the replies into the weights; returns whose could not be used."""
        ...

    def replayed(self, order: Order) -> int:
        """How many rows of the history (of a pool: seeds) the device of this order replays."""
        ...

    def state(self) -> State:
        """See Server."""
        ...

    def restore(self, state: State) -> None:
        """See Server."""
        ...
