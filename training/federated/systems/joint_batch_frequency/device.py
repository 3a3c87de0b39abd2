"""A device of the fleet under its cap: what it is told to use, and what its training then takes."""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from training.federated.dice import dice
from training.federated.fleet import Device
from training.federated.systems.joint_batch_frequency.accelerator import gpu_tables
from training.federated.systems.joint_batch_frequency.gpus import gpu_of
from training.federated.systems.joint_batch_frequency.methods import REACTIVE, chosen
from training.federated.systems.joint_batch_frequency.options import Options
from training.federated.systems.joint_batch_frequency.reactive import Ride, Step, ride
from training.federated.systems.joint_batch_frequency.tables import Place, Tables
from training.federated.systems.joint_batch_frequency.workload import WORKLOADS

Samples = Mapping[int, float]


class Training(Struct, frozen=True, kw_only=True):
    """What a device uses: a batch, at a frequency, and what its samples of a round then take."""

    batch: int
    freq_hz: int
    ride: Ride


def train_under_cap(
    method: str, device: Device, options: Options, seed: int, proxy: Samples, own: Samples
) -> Training:
    """What a method makes of a device; its cap is drawn from the seed, the same for all methods."""
    tables = tables_of(device, options)
    cap_w = cap_of(device, tables, options, seed)
    batch, freq_hz = chosen(method, tables, proxy, cap_w, own=own)
    if method == REACTIVE:
        taken = ride(steps_of(tables, batch), options.samples, cap_w)
    else:
        time_s = options.samples * tables.sample_s[batch, freq_hz]
        taken = Ride(time_s=time_s, energy_j=time_s * tables.mean_w[batch, freq_hz], over_s=0.0)
    return Training(batch=batch, freq_hz=freq_hz, ride=taken)


@lru_cache(maxsize=64)
def tables_of(device: Device, options: Options) -> Tables[int]:
    """The modelled tables of a device's GPU with the options' workload."""
    return gpu_tables(gpu_of(device), WORKLOADS[options.workload], options.batches)


def cap_of(device: Device, tables: Tables[Place], options: Options, seed: int) -> float:
    """The device's power cap in watts."""
    share = dice(seed, "cap", device.name).uniform(options.cap_low, options.cap_high)
    least_w, most_w = min(tables.peak_w.values()), max(tables.peak_w.values())
    return float(least_w + share * (most_w - least_w))


def steps_of(tables: Tables[Place], batch: int) -> list[Step]:
    """The places of a batch as steps of a governor, from the slowest."""
    pairs = sorted(
        (pair for pair in tables.sample_s if pair[0] == batch),
        key=lambda pair: -tables.sample_s[pair],
    )
    return [
        Step(
            sample_s=tables.sample_s[pair],
            peak_w=tables.peak_w[pair],
            mean_w=tables.mean_w[pair],
        )
        for pair in pairs
    ]
