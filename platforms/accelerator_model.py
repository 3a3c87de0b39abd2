"""A declared model of an accelerator in training: time per sample and power, by batch and clock.

    step time = kernels x launch + max(flops / (peak(f) x occupancy), bytes / bandwidth)
    occupancy = w / (w + half), w = FLOPs per kernel
    power     = static + dynamic x (f V^2 relative to the top) x (floor + (1 - floor) x occupancy x
                busy) + memory x share of the bandwidth

Launching is the host's work and does not follow the accelerator's clock; small batches leave it
half empty, which costs time and saves power. Peak power is that of the kernels, mean power includes
the gaps between them. That its traffic slows the host's cores down is left out.
"""

from platforms.board import Accelerator, AcceleratorCompute, AcceleratorPower
from platforms.errors import InvalidInput
from platforms.training_point import TrainingPoint
from platforms.training_work import TrainingWork


def accelerator_point(
    accelerator: Accelerator, work: TrainingWork, opp: int, *, host_share: float = 1.0
) -> TrainingPoint:
    """What an accelerator makes of a training's work at an operating point.

    `host_share` is the share of a core that launches its kernels. Raises InvalidInput for one that
    has no `compute` and `power`.
    """
    compute, power = _sections(accelerator)
    top, here = accelerator.opps[-1], accelerator.opps[opp]
    scale = here.freq_hz * here.volt_v**2 / (top.freq_hz * top.volt_v**2)
    flops = work.batch * work.flops
    size = flops / work.kernels
    occupancy = size / (size + compute.half_flops)
    speed = compute.peak_flops_per_s * here.freq_hz / top.freq_hz * occupancy
    compute_s = flops / speed
    memory_s = work.traffic_bytes / compute.bandwidth_bytes_per_s
    kernel_s = max(compute_s, memory_s)
    step_s = work.kernels * compute.launch_s / host_share + kernel_s
    busy = occupancy * compute_s / kernel_s
    activity = power.activity_floor + (1 - power.activity_floor) * busy
    extra_w = power.dynamic_w * scale * activity + power.memory_w * memory_s / kernel_s
    return TrainingPoint(
        step_s / work.batch,
        power.static_w + extra_w,
        power.static_w + extra_w * kernel_s / step_s,
    )


def _sections(accelerator: Accelerator) -> tuple[AcceleratorCompute, AcceleratorPower]:
    if accelerator.compute is None or accelerator.power is None:
        raise InvalidInput(
            f"accelerators.{accelerator.name} must have compute and power to train (got none)"
        )
    return accelerator.compute, accelerator.power
