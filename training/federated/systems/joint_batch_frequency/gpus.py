"""The GPUs of two Jetson boards, as far as they are known, and what is assumed of them."""

from training.federated.fleet import Device
from training.federated.systems.joint_batch_frequency.accelerator import Accelerator

_NANO_FREQS_HZ = tuple(76_800_000 * step for step in range(1, 13))
_NANO_VOLTS = tuple(max(0.84, 0.814294 + 0.0418915 * step) for step in range(12))

_ASSUMED = {
    "launch_s": "assumed: 50,000 cycles of dispatch by the board's CPU, fewer on the newer one",
    "half_flops": "assumed: 0.1 ms at the peak",
    "static_w": "assumed: the rest of the module, busy",
    "dynamic_w": "assumed: what the module's budget leaves",
    "memory_w": "assumed",
    "activity_floor": "assumed: clocks and idle units",
}

JETSON_NANO = Accelerator(
    name="jetson-nano",
    freqs_hz=_NANO_FREQS_HZ,
    volts=_NANO_VOLTS,
    peak_flops_per_s=0.6 * 128 * 2 * 921.6e6,
    bandwidth_bytes_per_s=0.7 * 25.6e9,
    launch_s=35e-6,
    half_flops=24e6,
    static_w=2.0,
    dynamic_w=6.0,
    memory_w=1.5,
    activity_floor=0.3,
    sources={
        "freqs_hz": "device tree: GM20B, 76.8 MHz steps to 921.6 MHz (boards.md, section 2.9)",
        "volts": "derived: c0 of gm20b.c alone, 814.294 + 41.8915 k mV, not below 840 mV",
        "peak_flops_per_s": "assumed: 0.6 of 128 cores x 2 x 921.6 MHz",
        "bandwidth_bytes_per_s": "assumed: 0.7 of 25.6 GB/s, as commonly stated",
        **_ASSUMED,
    },
)

JETSON_ORIN_NANO = Accelerator(
    name="jetson-orin-nano",
    freqs_hz=(306_000_000, 408_000_000, 510_000_000, 612_000_000, 625_000_000),
    volts=(0.60, 0.64, 0.70, 0.77, 0.78),
    peak_flops_per_s=0.6 * 1024 * 2 * 625e6,
    bandwidth_bytes_per_s=0.7 * 68e9,
    launch_s=20e-6,
    half_flops=128e6,
    static_w=4.0,
    dynamic_w=8.0,
    memory_w=2.0,
    activity_floor=0.3,
    sources={
        "freqs_hz": "measured: devfreq of an Orin Nano (boards.md, section 2.9)",
        "volts": "assumed",
        "peak_flops_per_s": "assumed: 0.6 of 1024 cores x 2 x 625 MHz",
        "bandwidth_bytes_per_s": "assumed: 0.7 of 68 GB/s, as commonly stated",
        **_ASSUMED,
    },
)

GPUS = {gpu.name: gpu for gpu in (JETSON_NANO, JETSON_ORIN_NANO)}


def gpu_of(device: Device) -> Accelerator:
    """A GPU for a device of a fleet: its speed and power, with the Jetson Nano's steps and shape.

    The device's sustained speed is the peak at full occupancy; its idle power is the static part.
    """
    ratio = device.flops_per_s / JETSON_NANO.peak_flops_per_s
    budget_w = device.active_power_w - device.idle_power_w
    return Accelerator(
        name=device.kind,
        freqs_hz=JETSON_NANO.freqs_hz,
        volts=JETSON_NANO.volts,
        peak_flops_per_s=device.flops_per_s,
        bandwidth_bytes_per_s=JETSON_NANO.bandwidth_bytes_per_s * ratio,
        launch_s=JETSON_NANO.launch_s,
        half_flops=JETSON_NANO.half_flops * ratio,
        static_w=device.idle_power_w,
        dynamic_w=0.8 * budget_w,
        memory_w=0.2 * budget_w,
        activity_floor=JETSON_NANO.activity_floor,
        sources={
            "all": f"derived: {device.kind} of the fleet, in the proportions of a Jetson Nano"
        },
    )
