"""What has a clock of its own beside the cores: GPU, NPU, memory, as the devfreq class shows it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from platforms.board import Accelerator, AcceleratorPoint
from platforms.linux.files.maybe_file import folders_at, numbers_at, text_at
from platforms.linux.probe.device_tree import DeviceTree, Node
from platforms.linux.probe.fact import Fact, Gap, typical, unseen
from platforms.linux.probe.opp_table import DEBUGFS_WAY_OUT, described_opps, used_opps

Kind = Literal["gpu", "npu", "memory", "other"]

_KINDS: dict[Kind, str] = {
    "npu": r"npu|tpu|nna|vip",
    "gpu": r"gpu|mali|panfrost|panthor|kgsl|g3d|gm20b|gv11b|ga10b",
    "memory": r"dmc|ddr|dram|mem|emc|mif|bus_mif",
}
_TYPICAL_V = 0.8


class Device(Struct, frozen=True):
    """A device with a clock that the kernel changes; frequencies lowest first."""

    name: str
    kind: Kind
    freqs_hz: tuple[int, ...]


class ProbedAccelerator(Struct, frozen=True):
    """A GPU or an NPU for the board file, and what had to be assumed of it."""

    accelerator: Accelerator
    gaps: tuple[Gap, ...]


def kind_of(name: str) -> Kind:
    """What a device is, by its name.

    >>> kind_of("fdab0000.npu"), kind_of("e82c0000.mali"), kind_of("ddrfreq")
    ('npu', 'gpu', 'memory')
    """
    return next((kind for kind, known in _KINDS.items() if re.search(known, name.lower())), "other")


def find_devices(root: Path) -> tuple[Device, ...]:
    """All devices of the devfreq class."""
    found = []
    for folder in folders_at(root / "sys/class/devfreq", "*"):
        name = text_at(folder / "name") or folder.name
        freqs_hz = numbers_at(folder / "available_frequencies")
        found.append(
            Device(folder.name, kind_of(f"{folder.name} {name}"), tuple(sorted(set(freqs_hz))))
        )
    return tuple(found)


def probe_accelerator(root: Path, tree: DeviceTree, device: Device) -> ProbedAccelerator:
    """A GPU or an NPU with its operating points."""
    volts = _volts(root, tree, device)
    points = zip(device.freqs_hz, volts.value, strict=True)
    opps = tuple(AcceleratorPoint(freq_hz=hz, volt_v=volt_v) for hz, volt_v in points)
    freq_source = f"measured: devfreq {device.name}, available_frequencies"
    sources = {"opps.freq_hz": freq_source, "opps.volt_v": volts.source} if opps else {}
    return ProbedAccelerator(
        Accelerator(name=device.name, kind=device.kind, opps=opps, sources=sources),
        (volts.gap,) if volts.gap else (),
    )


def memory_freqs(devices: Sequence[Device]) -> Fact[tuple[int, ...]]:
    """The memory's clocks; none where no device is the memory's."""
    for device in devices:
        if device.kind == "memory" and device.freqs_hz:
            source = f"measured: devfreq {device.name}, available_frequencies"
            return Fact(device.freqs_hz, source)
    return unseen(
        (),
        "none",
        what="clocks of the memory",
        looked_at="devfreq (dmc, ddr, emc ...)",
        way_out="a kernel with a devfreq driver for the memory controller",
    )


def _volts(root: Path, tree: DeviceTree, device: Device) -> Fact[tuple[float, ...]]:
    if not device.freqs_hz:
        return typical((), "no operating point")
    node = Node(root / f"sys/class/devfreq/{device.name}/device/of_node")
    for volts, source in (
        (
            used_opps(root, device.name).volts_at(device.freqs_hz),
            "measured: debugfs, u_volt_target",
        ),
        (described_opps(tree, node).volts_at(device.freqs_hz), "device tree: opp-microvolt"),
    ):
        if volts and list(volts) == sorted(volts):
            return Fact(tuple(round(volt_v, 4) for volt_v in volts), source)
    return unseen(
        (_TYPICAL_V,) * len(device.freqs_hz),
        f"{_TYPICAL_V:g} V at all points",
        what=f"voltages of {device.name}",
        looked_at="debugfs (opp), device tree (operating points)",
        way_out=DEBUGFS_WAY_OUT,
    )
