"""Runs of the system in this process, with everything that went over the wire."""

from collections.abc import Callable, Mapping

from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Exchange, Order, Reply
from training.federated.fleet import load_fleet
from training.federated.rounds import Record, run_rounds
from training.federated.system import Server, Setup
from training.federated.systems.mergesfl import SYSTEM

FLEET = "classes20"
Meddle = Callable[[str, Order, Reply], Reply | None]


def setup(method: str, *, alpha: float = 0.5, devices: int = 6, **options: object) -> Setup:
    """A setup on digits."""
    return Setup(
        system="mergesfl",
        method=method,
        task="digits",
        fleet=FLEET,
        devices=devices,
        alpha=alpha,
        seed=4,
        options=options,
    )


class Recording:
    """An exchange that writes down bytes, and lets `meddle` change or lose (None) replies."""

    def __init__(
        self, inner: Exchange, meddle: Meddle = lambda device, order, reply: reply
    ) -> None:
        """Around another exchange."""
        self._inner, self._meddle = inner, meddle
        self.up_bytes: dict[str, int] = {}
        self.down_bytes = 0
        self.exchanges = 0

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange."""
        self.exchanges += 1
        self.down_bytes += sum(a.nbytes for order in orders.values() for a in order.arrays.values())
        kept = {}
        for device, reply in self._inner(orders).items():
            for name, array in reply.arrays.items():
                kind = "bottom" if name.startswith("bottom") else name
                self.up_bytes[kind] = self.up_bytes.get(kind, 0) + array.nbytes
            changed = self._meddle(device, orders[device], reply)
            if changed is not None:
                kept[device] = changed
        return kept


def played(setup_: Setup, rounds: int) -> tuple[Server, Record]:
    """A server after so many rounds, and their record."""
    server = SYSTEM.server(setup_)
    fleet = load_fleet(setup_.fleet, setup_.devices)
    exchange = InProcess(SYSTEM, setup_)
    return server, run_rounds(server, exchange, fleet, rounds=rounds, seed=setup_.seed)
