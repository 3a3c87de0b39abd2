"""The GPUs of two Jetson boards, as their board files describe them, and GPUs of a fleet."""

from msgspec.structs import replace

from platforms.board import Accelerator, AcceleratorCompute, AcceleratorPower
from platforms.board_file import load_board
from training.federated.fleet import Device


def _gpu_of_board(name: str) -> Accelerator:
    (gpu,) = load_board(name).compute_accelerators
    return gpu


GPUS = {name: _gpu_of_board(name) for name in ("jetson-nano", "jetson-orin-nano")}
"""By the names of their boards."""

JETSON_NANO = GPUS["jetson-nano"]


def sections(gpu: Accelerator) -> tuple[AcceleratorCompute, AcceleratorPower]:
    """How fast a GPU is and what it takes; it must be one that computes."""
    assert gpu.compute is not None
    assert gpu.power is not None
    return gpu.compute, gpu.power


def gpu_of(device: Device) -> Accelerator:
    """A GPU for a device of a fleet: its speed and power, with the Jetson Nano's steps and shape.

    The device's sustained speed is the peak at full occupancy; its idle power is the static part.
    """
    compute, power = sections(JETSON_NANO)
    ratio = device.flops_per_s / compute.peak_flops_per_s
    budget_w = device.active_power_w - device.idle_power_w
    return Accelerator(
        name=device.kind,
        kind="gpu",
        opps=JETSON_NANO.opps,
        compute=replace(
            compute,
            peak_flops_per_s=device.flops_per_s,
            bandwidth_bytes_per_s=compute.bandwidth_bytes_per_s * ratio,
            half_flops=compute.half_flops * ratio,
        ),
        power=replace(
            power,
            static_w=device.idle_power_w,
            dynamic_w=0.8 * budget_w,
            memory_w=0.2 * budget_w,
        ),
        sources={
            "all": f"derived: {device.kind} of the fleet, in the proportions of a Jetson Nano"
        },
    )
