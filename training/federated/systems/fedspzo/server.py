"""The server's part of FedSPZO and its baselines."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from training.federated.clock import settle, turn
from training.federated.cost.stand_in import Factors, factors
from training.federated.dice import dice
from training.federated.exchange import Exchange, Order, Reply
from training.federated.fleet import Device, load_fleet
from training.federated.system import Played, Setup, State
from training.federated.systems.fedspzo.averaging import AveragingServer
from training.federated.systems.fedspzo.carrier import Carrier
from training.federated.systems.fedspzo.chain import Weights
from training.federated.systems.fedspzo.cost import message_bytes, round_flops, step_peak_bytes
from training.federated.systems.fedspzo.history import HistoryServer
from training.federated.systems.fedspzo.pool import PoolServer
from training.federated.systems.fedspzo.workbench import Workbench, workbench

_KEEP_NOISE_BYTES = 96 << 20
"""A server keeps directions that it will need again; a device does not."""

_CARRIERS: dict[str, Callable[[Workbench], Carrier]] = {
    "history": HistoryServer,
    "pool": PoolServer,
    "weights": AveragingServer,
}


class ZerothOrderServer:
    """A round is one exchange: estimate, send, take in."""

    def __init__(self, setup: Setup) -> None:
        self._bench: Workbench = workbench(setup)
        self._bench.noise.keep_bytes = _KEEP_NOISE_BYTES
        self._fleet = load_fleet(setup.fleet, setup.devices)
        self._carrier = _CARRIERS[self._bench.plan.carrier](self._bench)

    @property
    def weights(self) -> Weights:
        """The global model's weights, by stages of its chain."""
        return self._carrier.weights

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """See Server."""
        orders = self.orders(round_, present)
        return self.absorb(round_, orders, exchange(orders))

    def orders(self, round_: int, present: Sequence[Device]) -> Mapping[str, Order]:
        """See SingleExchange."""
        return self._carrier.orders(round_, self._drawn(round_, present))

    def _drawn(self, round_: int, present: Sequence[Device]) -> Sequence[Device]:
        wanted = self._bench.options.participants
        if not 0 < wanted < len(present):
            return present
        chance = dice(self._bench.setup.seed, "participants", round_)
        places = chance.choice(len(present), size=wanted, replace=False)
        return [present[place] for place in np.sort(places)]

    def absorb(
        self, round_: int, orders: Mapping[str, Order], replies: Mapping[str, Reply]
    ) -> Played:
        """See SingleExchange."""
        refused = self._carrier.absorb(round_, replies)
        failed = tuple(name for name in orders if name not in replies or name in refused)
        losses = [reply.metrics["loss"] for name, reply in replies.items() if name not in failed]
        return self._played(round_, orders, failed, float(np.mean(losses)) if losses else None)

    def _played(
        self, round_: int, orders: Mapping[str, Order], failed: tuple[str, ...], loss: float | None
    ) -> Played:
        bench, devices = self._bench, [d for d in self._fleet.devices if d.name in orders]
        up = {name: _up_bytes(order) for name, order in orders.items()}
        down = {name: _down_bytes(order) for name, order in orders.items()}
        flops = {name: self._flops(order) for name, order in orders.items()}
        turns = [
            turn(
                device,
                flops=flops[device.name],
                up_bytes=up[device.name],
                down_bytes=down[device.name],
                round_=round_,
                seed=bench.setup.seed,
                factors=self._factors(),
            )
            for device in devices
        ]
        timing = settle(turns, present=devices, failed=failed)
        return Played(
            time_s=timing.time_s,
            waiting_s=timing.waiting_s,
            energy_j=timing.energy_j,
            up_bytes=sum(up.values()),
            down_bytes=sum(down.values()),
            flops=sum(flops.values()),
            peak_bytes=step_peak_bytes(bench),
            participants=len(orders),
            failed=failed,
            loss=loss,
            notes={
                "layer_forwards": float(bench.plan.round_forwards * len(orders)),
                "local_steps": float(bench.plan.steps * len(orders)),
            },
        )

    def _flops(self, order: Order) -> float:
        return round_flops(self._bench, self._carrier.replayed(order))

    def _factors(self) -> Factors:
        """Slopes and seeds are as many for a large model as for a small one; weights are not."""
        bench = self._bench
        found = factors(bench.shape, bench.task.tokens, bench.setup.stand_in)
        travels = found.bytes if bench.plan.carrier == "weights" else 1.0
        return Factors(flops=found.flops, bytes=travels, memory=found.memory)

    def accuracy(self, split: str) -> float:
        """See Server."""
        examples = {"validation": self._bench.task.validation, "test": self._bench.task.test}[split]
        return self._bench.accuracy(self._carrier.weights, examples)

    def state(self) -> State:
        """See Server."""
        return self._carrier.state()

    def restore(self, state: State) -> None:
        """See Server."""
        self._carrier.restore(state)


def _up_bytes(order: Order) -> int:
    shapes = order.returns
    wide = {"places": 8}
    arrays = sum(wide.get(name, 4) * int(np.prod(shape)) for name, shape in shapes.items())
    return arrays + message_bytes({}, len(order.metrics))


def _down_bytes(order: Order) -> int:
    return message_bytes(order.arrays, len(order.settings))
