"""The server: federated averaging in which each device has a batch and frequency under its cap."""

from collections.abc import Mapping, Sequence

import numpy as np

from platforms.errors import InvalidInput
from training.federated.clock import Turn, settle, speed
from training.federated.exchange import Exchange, Order, Reply
from training.federated.fleet import Device, load_fleet
from training.federated.registry import options_of
from training.federated.system import Played, Setup, State
from training.federated.systems.joint_batch_frequency.device import Training, train_under_cap
from training.federated.systems.joint_batch_frequency.digits import CLASSES
from training.federated.systems.joint_batch_frequency.efficiency import samples_table
from training.federated.systems.joint_batch_frequency.methods import METHODS, ORACLE
from training.federated.systems.joint_batch_frequency.options import Options
from training.federated.systems.joint_batch_frequency.parts import judged, parts_of
from training.federated.systems.joint_batch_frequency.perceptron import (
    Weights,
    accuracy,
    first_weights,
)
from training.federated.systems.joint_batch_frequency.rates import learning_rate
from training.federated.systems.joint_batch_frequency.workload import WORKLOADS


class JointServer:
    """Chooses once what each device uses, then averages their models round by round.

    A round is one exchange of equal arrays, averaged by samples.
    """

    def __init__(self, setup: Setup) -> None:
        """Run the proxy and choose; InvalidInput where the setup is wrong or a cap cannot hold."""
        self._setup, self._options = setup, options_of(setup, Options)
        _check(setup, self._options)
        inputs = next(iter(parts_of(setup).values())).x.shape[1]
        self._weights: Weights = first_weights(inputs, CLASSES, seed=setup.seed)
        self._devices = {d.name: d for d in load_fleet(setup.fleet, setup.devices).devices}
        proxy = _samples("proxy", self._options)
        own = _samples("target", self._options) if setup.method == ORACLE else {}
        self.training: dict[str, Training] = {
            name: train_under_cap(setup.method, device, self._options, setup.seed, proxy, own)
            for name, device in self._devices.items()
        }

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """See Server."""
        orders = self.orders(round_, present)
        return self.absorb(round_, orders, exchange(orders))

    def orders(self, round_: int, present: Sequence[Device]) -> Mapping[str, Order]:
        """See SingleExchange."""
        return {device.name: self._order(round_, device.name) for device in present}

    def _order(self, round_: int, name: str) -> Order:
        options, batch = self._options, self.training[name].batch
        return Order(
            arrays=self._weights,
            settings={
                "round": round_,
                "batch": batch,
                "samples": options.samples,
                "learning_rate": learning_rate(options.rule, options.learning_rate, batch),
            },
            returns={key: array.shape for key, array in self._weights.items()},
            metrics=("samples", "loss"),
        )

    def absorb(
        self, round_: int, orders: Mapping[str, Order], replies: Mapping[str, Reply]
    ) -> Played:
        """See SingleExchange."""
        if replies:
            self._weights = averaged(list(replies.values()))
        load, count = WORKLOADS[self._options.workload], len(orders)
        turns = [self._turn(name, round_) for name in orders]
        failed = tuple(name for name in orders if name not in replies)
        timing = settle(turns, present=list(self._devices.values()), failed=failed)
        rides = [self.training[name].ride for name in orders]
        losses = [reply.metrics["loss"] for reply in replies.values()]
        return Played(
            time_s=timing.time_s,
            waiting_s=timing.waiting_s,
            energy_j=timing.energy_j,
            up_bytes=count * load.weight_bytes,
            down_bytes=count * load.weight_bytes,
            flops=count * self._options.samples * load.flops,
            peak_bytes=max((load.peak_bytes(self.training[n].batch) for n in orders), default=0),
            participants=count,
            failed=failed,
            loss=float(np.mean(losses)) if losses else None,
            notes={
                "computing_s": sum(taken.time_s for taken in rides),
                "over_cap_s": sum(taken.over_s for taken in rides),
                "computing_j": sum(taken.energy_j for taken in rides),
            },
        )

    def _turn(self, name: str, round_: int) -> Turn:
        """Computing by the tables, at the round's speed; the network as on every device."""
        device, taken = self._devices[name], self.training[name].ride
        drift = speed(device, round_, self._setup.seed)
        sent = WORKLOADS[self._options.workload].weight_bytes
        up_s, down_s = sent / device.up_bytes_per_s, sent / device.down_bytes_per_s
        compute_s = taken.time_s / drift
        return Turn(
            device=name,
            compute_s=compute_s,
            up_s=up_s,
            down_s=down_s,
            energy_j=taken.energy_j / drift + device.idle_power_w * (up_s + down_s),
            total_s=compute_s + up_s + down_s,
        )

    def accuracy(self, split: str) -> float:
        """See Server."""
        examples = judged(split)
        return accuracy(self._weights, examples.x, examples.y)

    def state(self) -> State:
        """See Server."""
        return State(arrays=self._weights)

    def restore(self, state: State) -> None:
        """See Server."""
        self._weights = dict(state.arrays)


def averaged(replies: Sequence[Reply]) -> Weights:
    """The mean of models, by the samples that each has seen."""
    total = sum(reply.metrics["samples"] for reply in replies)
    shares = [np.float32(reply.metrics["samples"] / total) for reply in replies]
    return {
        name: sum(
            (share * reply.arrays[name] for share, reply in zip(shares, replies, strict=True)),
            start=np.zeros_like(array),
        )
        for name, array in replies[0].arrays.items()
    }


def _samples(half: str, options: Options) -> Mapping[int, float]:
    """Samples to the target by batch; InvalidInput where the learning rate reaches it with none."""
    found = samples_table(
        "proxy" if half == "proxy" else "target",
        options.rule,
        options.learning_rate,
        options.batches,
        options.proxy_seeds,
    )
    if not found:
        raise InvalidInput(
            f"learning_rate must let the {half} reach its accuracy with some batch of "
            f"{list(options.batches)} (got {options.learning_rate:g}, rule {options.rule})"
        )
    return found


def _check(setup: Setup, options: Options) -> None:
    if setup.method not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)} (got {setup.method})")
    if options.workload not in WORKLOADS:
        known = ", ".join(WORKLOADS)
        raise InvalidInput(f"workload must be one of {known} (got {options.workload})")
    if not 0 <= options.cap_low <= options.cap_high <= 1:
        raise InvalidInput(
            "cap_low and cap_high must rise within 0 ... 1 "
            f"(got {options.cap_low:g} and {options.cap_high:g})"
        )
    if not options.batches or min(options.batches) < 1:
        raise InvalidInput(f"batches must be 1 or more (got {list(options.batches)})")
    if options.samples < max(options.batches):
        raise InvalidInput(
            f"samples must be at least the largest batch {max(options.batches)} "
            f"(got {options.samples})"
        )
    left = [batch for batch in options.batches if options.samples % batch]
    if left:
        raise InvalidInput(
            "samples must be a multiple of every batch, so that all that is counted is trained "
            f"(got {options.samples}; {left} leave some over)"
        )
