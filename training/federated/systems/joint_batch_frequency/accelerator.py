"""A declared model of a GPU in training: time per sample and power by batch and frequency.

    step time = kernels x launch + max(flops / (peak(f) x occupancy), bytes / bandwidth)
    occupancy = w / (w + half), w = FLOPs per kernel
    power     = static + dynamic x (f V^2 relative to the top) x (floor + (1 - floor) x occupancy x
                busy) + memory x share of the bandwidth

Launching is the CPU's work and does not follow the GPU's clock; small batches leave a GPU half
empty, which costs time and saves power. Peak power is that of the kernels, mean power includes the
gaps between them.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from training.federated.systems.joint_batch_frequency.tables import Tables
from training.federated.systems.joint_batch_frequency.workload import Workload


class Accelerator(Struct, frozen=True, kw_only=True):
    """A GPU. `sources` says of every figure where it is from.

    `peak_flops_per_s` and `dynamic_w` are at the highest frequency and full occupancy, `half_flops`
    are the FLOPs per kernel that fill half of the GPU.
    """

    name: str
    freqs_hz: tuple[int, ...]
    volts: tuple[float, ...]
    peak_flops_per_s: float
    bandwidth_bytes_per_s: float
    launch_s: float
    half_flops: float
    static_w: float
    dynamic_w: float
    memory_w: float
    activity_floor: float
    sources: Mapping[str, str]


class _Point(Struct, frozen=True, kw_only=True):
    sample_s: float
    peak_w: float
    mean_w: float


def gpu_tables(gpu: Accelerator, load: Workload, batches: Sequence[int]) -> Tables[int]:
    """The GPU's tables; a place is a frequency in hertz."""
    points = dict(_points(gpu, load, batches))
    return Tables(
        sample_s={pair: point.sample_s for pair, point in points.items()},
        peak_w={pair: point.peak_w for pair, point in points.items()},
        mean_w={pair: point.mean_w for pair, point in points.items()},
        origin="modelled",
    )


def _points(
    gpu: Accelerator, load: Workload, batches: Sequence[int]
) -> Iterator[tuple[tuple[int, int], _Point]]:
    top = gpu.freqs_hz[-1] * gpu.volts[-1] ** 2
    for batch in batches:
        for freq_hz, volt_v in zip(gpu.freqs_hz, gpu.volts, strict=True):
            scale = freq_hz * volt_v**2 / top
            yield (batch, freq_hz), _point(gpu, load, batch, freq_hz, scale)


def _point(gpu: Accelerator, load: Workload, batch: int, freq_hz: int, scale: float) -> _Point:
    flops = batch * load.flops
    size = flops / load.kernels
    occupancy = size / (size + gpu.half_flops)
    speed = gpu.peak_flops_per_s * freq_hz / gpu.freqs_hz[-1] * occupancy
    compute_s = flops / speed
    memory_s = (load.step_bytes + batch * load.sample_bytes) / gpu.bandwidth_bytes_per_s
    kernel_s = max(compute_s, memory_s)
    step_s = load.kernels * gpu.launch_s + kernel_s
    busy = occupancy * compute_s / kernel_s
    activity = gpu.activity_floor + (1 - gpu.activity_floor) * busy
    extra_w = gpu.dynamic_w * scale * activity + gpu.memory_w * memory_s / kernel_s
    return _Point(
        sample_s=step_s / batch,
        peak_w=gpu.static_w + extra_w,
        mean_w=gpu.static_w + extra_w * kernel_s / step_s,
    )
