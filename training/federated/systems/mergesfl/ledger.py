"""What a round costs each worker, and how long it lasts on the virtual clock."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from training.federated.clock import Timing, Turn, settle, turn
from training.federated.fleet import Device
from training.federated.systems.mergesfl.costs import LABEL_BYTES, Costs
from training.federated.systems.mergesfl.regulation import Pace


class Bill(Struct, frozen=True, kw_only=True):
    """One worker's round: FLOPs, bytes up and down, memory, and samples of it."""

    flops: float
    up_bytes: float
    down_bytes: float
    peak_bytes: float
    samples: int


def split_bill(costs: Costs, *, batch: int, steps: int) -> Bill:
    """A round of split training: the bottom both ways, features and labels up, gradients down."""
    samples = batch * steps
    return Bill(
        flops=samples * costs.bottom_flops,
        up_bytes=samples * (costs.feature_bytes + LABEL_BYTES) + costs.bottom_bytes,
        down_bytes=samples * costs.feature_bytes + costs.bottom_bytes,
        peak_bytes=costs.bottom_memory[0] + batch * costs.bottom_memory[1],
        samples=samples,
    )


def whole_bill(costs: Costs, *, batch: int, steps: int) -> Bill:
    """A round of FedAvg: the whole network both ways."""
    return Bill(
        flops=batch * steps * costs.whole_flops,
        up_bytes=costs.whole_bytes,
        down_bytes=costs.whole_bytes,
        peak_bytes=costs.whole_memory[0] + batch * costs.whole_memory[1],
        samples=batch * steps,
    )


def turns_of(
    bills: Mapping[str, Bill], devices: Mapping[str, Device], *, round_: int, seed: int
) -> dict[str, Turn]:
    """Each worker's turn."""
    return {
        worker: turn(
            devices[worker],
            flops=bill.flops,
            up_bytes=bill.up_bytes,
            down_bytes=bill.down_bytes,
            round_=round_,
            seed=seed,
        )
        for worker, bill in bills.items()
    }


def timing(
    turns: Sequence[Turn],
    bills: Mapping[str, Bill],
    present: Sequence[Device],
    *,
    failed: Collection[str],
    line_bytes_per_s: float,
) -> Timing:
    """The round: the slowest worker's, or as long as the server's line needs for what all send.

    Workers move together, step by step, so that the sums over a round say how long it takes. The
    server's own computing takes no time (assumed). Who waits for the line draws idle power.
    """
    settled = settle(turns, present=present, failed=failed)
    if not line_bytes_per_s:
        return settled
    line_s = sum(bills[turn.device].up_bytes for turn in turns) / line_bytes_per_s
    longer_s = max(0.0, line_s - settled.time_s)
    idle_w = {device.name: device.idle_power_w for device in present}
    waiting = [turn.device for turn in turns if turn.device not in failed]
    return Timing(
        time_s=settled.time_s + longer_s,
        waiting_s=settled.waiting_s + longer_s * len(waiting),
        energy_j=settled.energy_j + longer_s * sum(idle_w[name] for name in waiting),
    )


def pace_declared(device: Device, costs: Costs) -> Pace:
    """What a worker's figures promise, before it was seen at work."""
    return Pace(
        costs.bottom_flops / device.flops_per_s,
        (costs.feature_bytes + LABEL_BYTES) / device.up_bytes_per_s
        + costs.feature_bytes / device.down_bytes_per_s,
    )


def pace_seen(turn_: Turn, bill: Bill, costs: Costs) -> Pace:
    """What a worker needed for a sample in a round; the bottom's own way is left out."""
    return Pace(
        turn_.compute_s / bill.samples,
        turn_.up_s * (costs.feature_bytes + LABEL_BYTES) / bill.up_bytes
        + turn_.down_s * costs.feature_bytes / bill.down_bytes,
    )
