"""What each device of a fleet can give, as shares of what full training would take."""

import math
from collections.abc import Sequence

from platforms.errors import InvalidInput
from training.federated.fleet import Device
from training.federated.systems.caff.choose import Cost, Limits


def limits_of(
    devices: Sequence[Device], full: Cost, *, memory: float, upload: float, flops: float
) -> dict[str, Limits]:
    """Limits by device; a share of 0 is no limit, see `CaffOptions`."""
    if min(memory, upload, flops) < 0:
        raise InvalidInput(f"shares must be 0 or more (got {memory}, {upload}, {flops})")
    most_memory = max(device.memory_bytes for device in devices)
    most_up = max(device.up_bytes_per_s for device in devices)
    most_flops = max(device.flops_per_s for device in devices)
    return {
        device.name: Limits(
            memory_bytes=_part(memory, full.memory_bytes, device.memory_bytes / most_memory),
            up_bytes=_part(upload, full.up_bytes, device.up_bytes_per_s / most_up),
            flops=_part(flops, full.flops, device.flops_per_s / most_flops),
        )
        for device in devices
    }


def _part(share: float, whole: float, relative: float) -> float:
    return share * whole * relative if share else math.inf
