"""The virtual clock: how long a round takes and what energy it costs, counted from work.

Nothing here reads a real clock. A device computes at its sustained speed, which drifts from round
to round, and sends and receives at its bandwidth, one after the other.
"""

import math
from collections.abc import Collection, Sequence

from msgspec import Struct

from training.federated.cost.stand_in import AS_IT_IS, Factors
from training.federated.dice import dice
from training.federated.fleet import Device

PATIENCE = 1.5
"""The server waits so many times the slowest device's time where a reply is missing (assumed)."""

DRIFT_MEMORY = 0.8
"""How much of a device's deviation from its mean speed stays in the next round (assumed)."""


class Turn(Struct, frozen=True, kw_only=True):
    """What one device did in a round; `device` is its name."""

    device: str
    compute_s: float
    up_s: float
    down_s: float
    energy_j: float
    total_s: float


class Timing(Struct, frozen=True, kw_only=True):
    """A round: how long it lasted, how long devices waited in sum, and the energy of all."""

    time_s: float
    waiting_s: float
    energy_j: float


def turn(
    device: Device,
    *,
    flops: float,
    up_bytes: float,
    down_bytes: float,
    round_: int,
    seed: int,
    factors: Factors = AS_IT_IS,
) -> Turn:
    """The time and energy of a device's work in a round.

    `factors` say how much more a model costs for which the work's model stands. The device draws
    its active power while it computes and its idle power while it sends and receives (the radio's
    own power is not modelled).
    """
    compute_s = flops * factors.flops / (device.flops_per_s * speed(device, round_, seed))
    up_s = up_bytes * factors.bytes / device.up_bytes_per_s
    down_s = down_bytes * factors.bytes / device.down_bytes_per_s
    return Turn(
        device=device.name,
        compute_s=compute_s,
        up_s=up_s,
        down_s=down_s,
        energy_j=device.active_power_w * compute_s + device.idle_power_w * (up_s + down_s),
        total_s=compute_s + up_s + down_s,
    )


def speed(device: Device, round_: int, seed: int) -> float:
    """A device's speed in a round relative to its mean: log-normal, and slow to change.

    The logarithm is a first-order autoregression with `DRIFT_MEMORY`, stationary from round 0 on.
    """
    if not device.drift:
        return 1.0
    steps = dice(seed, "speed", device.name).standard_normal(round_ + 1)
    level = steps[0]
    for step in steps[1:]:
        level = DRIFT_MEMORY * level + math.sqrt(1 - DRIFT_MEMORY**2) * step
    return math.exp(device.drift * level - device.drift**2 / 2)


def settle(
    turns: Sequence[Turn], *, present: Sequence[Device], failed: Collection[str] = ()
) -> Timing:
    """The round that these turns make.

    It lasts until the slowest turn ends; with a device in `failed` the server does not know that
    nothing will come and waits `PATIENCE` times as long. Who sent a reply waits for the end of the
    round at idle power. Devices that had no turn count nothing.
    """
    slowest_s = max((turn.total_s for turn in turns), default=0.0)
    time_s = slowest_s * PATIENCE if failed else slowest_s
    idle_w = {device.name: device.idle_power_w for device in present}
    waits = {turn.device: time_s - turn.total_s for turn in turns if turn.device not in failed}
    energy_j = sum(turn.energy_j for turn in turns)
    energy_j += sum(idle_w[name] * wait_s for name, wait_s in waits.items())
    return Timing(time_s=time_s, waiting_s=sum(waits.values()), energy_j=energy_j)
