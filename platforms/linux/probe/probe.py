"""Find out what board this machine is: what the kernel shows becomes a board file.

Nothing is written to the machine. What cannot be seen is assumed from a named typical value; the
board file says so beside the value, and `Probe.gaps` says what would show it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from platforms.board import SCHEMA_VERSION, Board
from platforms.board_file import check
from platforms.linux.files.maybe_file import cores_at, folders_at, number_at, text_at
from platforms.linux.probe.assumed_heat import (
    cooling_setups,
    leakage,
    memory,
    rest_of_board,
    thermal_network,
)
from platforms.linux.probe.cooling_maps import cooled_clusters, thermal_weights
from platforms.linux.probe.devfreq import (
    Device,
    ProbedAccelerator,
    find_devices,
    memory_freqs,
    probe_accelerator,
)
from platforms.linux.probe.device_tree import DeviceTree
from platforms.linux.probe.fact import Gap
from platforms.linux.probe.machine_name import MachineName, machine_name
from platforms.linux.probe.place import find_places
from platforms.linux.probe.probed_cluster import ProbedCluster, probe_clusters
from platforms.linux.probe.probed_protection import ProbedProtection, probe_protection
from platforms.linux.probe.probed_sensors import ProbedSensor, of_the_chip, probe_sensor
from platforms.linux.thermal_zones import Zone, find_zones


class CoolingDevice(Struct, frozen=True):
    """Something that the kernel can cool with; `max_state` is its strongest setting."""

    name: str
    kind: str
    max_state: int | None


class Probe(Struct, frozen=True):
    """What was found. `board` is None where `problems` say why there can be none."""

    machine: MachineName
    clusters: tuple[ProbedCluster, ...]
    zones: tuple[Zone, ...]
    sensors: tuple[ProbedSensor, ...]
    cooling_devices: tuple[CoolingDevice, ...]
    devices: tuple[Device, ...]
    gaps: tuple[Gap, ...]
    problems: tuple[str, ...]
    board: Board | None


class _Parts(Struct, frozen=True):
    """What a board is put together from."""

    machine: MachineName
    clusters: tuple[ProbedCluster, ...]
    sensors: tuple[ProbedSensor, ...]
    protection: ProbedProtection
    accelerators: tuple[ProbedAccelerator, ...]
    devices: tuple[Device, ...]
    has_fan: bool


def probe(root: Path, *, name: str | None = None) -> Probe:
    """Look at the machine whose file system is at `root`; `name` is what to call the board."""
    tree = DeviceTree(root)
    zones = find_zones(root)
    within, elsewhere = of_the_chip(zones)
    places = find_places(root)
    cooled = {zone.name: cooled_clusters(zone, places) for zone in within}
    clusters = probe_clusters(places, thermal_weights(cooled, places))
    described = [probed.cluster for probed in clusters]
    cooling_devices = _cooling_devices(root)
    devices = find_devices(root)
    named = machine_name(root, tree)
    parts = _Parts(
        machine=named,
        clusters=clusters,
        sensors=tuple(probe_sensor(tree, z, described, cooled[z.name]) for z in within),
        protection=probe_protection(tree, within, cooled),
        accelerators=tuple(
            probe_accelerator(root, tree, device)
            for device in devices
            if device.kind in {"gpu", "npu"}
        ),
        devices=devices,
        has_fan=any("fan" in device.kind for device in cooling_devices),
    )
    problems = tuple(_problems(root, parts))
    board = None if problems else _board(parts, name or named.name)
    if board is not None:
        problems = tuple(f"the board must not contradict itself: {text}" for text in check(board))
    return Probe(
        machine=named,
        clusters=clusters,
        zones=zones,
        sensors=parts.sensors,
        cooling_devices=cooling_devices,
        devices=devices,
        gaps=tuple(dict.fromkeys((*_gaps(parts), *elsewhere))),
        problems=problems,
        board=None if problems else board,
    )


def _cooling_devices(root: Path) -> tuple[CoolingDevice, ...]:
    folders = folders_at(root / "sys/class/thermal", "cooling_device*")
    return tuple(
        CoolingDevice(
            name=folder.name,
            kind=text_at(folder / "type") or "unknown",
            max_state=number_at(folder / "max_state"),
        )
        for folder in folders
    )


def _problems(root: Path, parts: _Parts) -> Iterator[str]:
    """What keeps this machine from being a board that ilgov can govern, each with a way out."""
    where = root / "sys/devices/system/cpu/cpufreq"
    if not parts.clusters:
        yield (
            f"this machine must have cpufreq policies (found none that is active under {where}): "
            "ilgov sets frequencies through them; boot the board's own kernel with its cpufreq "
            "driver (cpufreq-dt, scmi-cpufreq, qcom-cpufreq-hw ...), or try ilgov on the simulated "
            "board with 'ilgov demo'. Virtual machines and most containers have none"
        )
        return
    yield from _core_problems(root, parts)
    for probed in parts.clusters:
        if not probed.cluster.opps:
            yield (
                f"cpufreq {probed.policy} must name its frequencies (found none, and no range); "
                "load another cpufreq driver"
            )
    if not parts.sensors:
        yield (
            "this machine must have a thermal zone of its chip (found none under "
            f"{root / 'sys/class/thermal'}): without a temperature ilgov must not govern; load "
            "the chip's thermal driver"
        )


def _core_problems(root: Path, parts: _Parts) -> Iterator[str]:
    present = cores_at(root / "sys/devices/system/cpu/present")
    governed = {core for probed in parts.clusters for core in probed.cluster.cores}
    lacking = sorted(set(present) - governed)
    if lacking:
        yield (
            f"every core must belong to an active cpufreq policy (not so: {lacking}); bring all "
            "cores online for the probe: echo 1 > /sys/devices/system/cpu/cpuN/online"
        )


def _gaps(parts: _Parts) -> Iterator[Gap]:
    for probed in parts.clusters:
        yield from probed.gaps
    for sensor in parts.sensors:
        yield from sensor.gaps
    yield from parts.protection.gaps
    for accelerator in parts.accelerators:
        yield from accelerator.gaps
    clocks = memory_freqs(parts.devices)
    if clocks.gap:
        yield clocks.gap
    if not any(device.kind == "npu" for device in parts.devices):
        yield Gap(
            "an NPU",
            "devfreq",
            "none in the board file; a back end may still find one",
            "add it under [[accelerators]] if the board has one",
        )


def _board(parts: _Parts, name: str) -> Board:
    clusters = tuple(probed.cluster for probed in parts.clusters)
    return Board(
        schema=SCHEMA_VERSION,
        name=name,
        title=parts.machine.title,
        soc=parts.machine.soc,
        clusters=clusters,
        leakage=leakage(),
        memory=memory(memory_freqs(parts.devices)),
        thermal=thermal_network(clusters),
        cooling=cooling_setups(has_fan=parts.has_fan),
        sensors=tuple(probed.sensor for probed in parts.sensors),
        rest_of_board=rest_of_board(),
        protection=parts.protection.protection,
        accelerators=tuple(probed.accelerator for probed in parts.accelerators),
    )


def assumptions(board: Board) -> Sequence[tuple[str, str]]:
    """Every value of a board file that is assumed: its key, and the words behind it."""
    found = []
    for key, sources in _sourced(board):
        for value, source in sources.items():
            kind, _, words = source.partition(": ")
            if kind == "assumed":
                found.append((f"{key}.{value}", words))
    return found


def _sourced(board: Board) -> Iterator[tuple[str, dict[str, str]]]:
    for field in board.__struct_fields__:
        value = getattr(board, field)
        for part in value if isinstance(value, tuple) else (value,):
            if hasattr(part, "sources"):
                name = getattr(part, "name", None)
                yield f"{field}.{name}" if name else field, part.sources
