"""The board file's sensors: thermal zones of the chip, and which part of it each sees."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from platforms.board import Cluster, Sensor
from platforms.linux.probe.device_tree import DeviceTree, Node
from platforms.linux.probe.fact import Fact, Gap, typical, unseen
from platforms.linux.thermal_zones import Zone

DIE = "die"
_ELSEWHERE = re.compile(
    r"battery|\bbat|charg|usb|wifi|wlan|iwl|pmic|skin|lcd|modem|quiet|xo[-_]|nvme|board|pch|acpitz"
)


class ProbedSensor(Struct, frozen=True):
    """A sensor, its zone's type, and what had to be assumed."""

    sensor: Sensor
    zone: Zone
    gaps: tuple[Gap, ...]


def of_the_chip(zones: Sequence[Zone]) -> tuple[tuple[Zone, ...], tuple[Gap, ...]]:
    """The zones that measure the chip, by their names, and a word on each of the others.

    Where no zone is left all are taken: better a doubtful temperature than none.
    """
    elsewhere = [zone for zone in zones if _ELSEWHERE.search(zone.name.lower())]
    gaps = [
        Gap(
            f"what thermal zone {zone.name} measures",
            "its type",
            "left out: by its name it is not in the chip",
            "add a sensor of this name to the board file",
        )
        for zone in elsewhere
    ]
    within = tuple(zone for zone in zones if zone not in elsewhere)
    return (within, tuple(gaps)) if within else (tuple(zones), tuple(map(_doubtful, zones)))


def _doubtful(zone: Zone) -> Gap:
    return Gap(
        f"what thermal zone {zone.name} measures",
        "its type",
        "the chip, as there is no other zone",
        "load the chip's own thermal driver",
    )


def zone_node(tree: DeviceTree, zone: Zone) -> Node | None:
    """The device tree's node of a zone."""
    node = tree.top.child("thermal-zones").child(zone.name)
    return node if node.folder.is_dir() else None


def probe_sensor(
    tree: DeviceTree, zone: Zone, clusters: Sequence[Cluster], cooled: Mapping[int, int]
) -> ProbedSensor:
    """The sensor behind a zone; `cooled` are the clusters that the zone slows down."""
    facts: dict[str, Fact[Any]] = {
        "weights": _weights(zone, clusters, cooled),
        "step_k": typical(0.5, "0.2 to 1 K are common; reading the zone for a while shows it"),
        "offset_c": typical(0.0, "the grid of readings passes through 0 degC"),
        "noise_k": typical(0.5, "+-0.5 K, as the HiKey 970's sensor"),
    }
    period = _period_s(tree, zone)
    sensor = Sensor(
        name=zone.name,
        period_s=period.value,
        sources={key: fact.source for key, fact in facts.items()} | {"period_s": period.source},
        **{key: fact.value for key, fact in facts.items()},
    )
    return ProbedSensor(sensor, zone, (period.gap,) if period.gap else ())


def _period_s(tree: DeviceTree, zone: Zone) -> Fact[float]:
    """How often the kernel looks; a device that interrupts says 0."""
    node = zone_node(tree, zone)
    for key in ("polling-delay", "polling-delay-passive") if node else ():
        delay_ms = node.cell(key) if node else None
        if delay_ms:
            return Fact(delay_ms / 1e3, f"device tree: {key} of zone {zone.name}")
    return unseen(
        1.0,
        "1 s, as the HiKey boards",
        what=f"how often zone {zone.name} is read",
        looked_at="device tree (polling-delay)",
    )


def _weights(
    zone: Zone, clusters: Sequence[Cluster], cooled: Mapping[int, int]
) -> Fact[dict[str, float]]:
    """Which nodes of the thermal network a zone sees."""
    slowed = [cluster for cluster in clusters if cluster.cores[0] in cooled]
    if slowed and len(slowed) < len(clusters):
        names = " and ".join(cluster.name for cluster in slowed)
        return Fact(_even(slowed), f"derived: the zone's cooling map names {names} only")
    named = _by_name(zone.name.lower(), clusters)
    if named:
        return typical(named, "by the zone's name")
    return typical({DIE: 1.0}, "the whole die")


def _by_name(name: str, clusters: Sequence[Cluster]) -> dict[str, float] | None:
    """``little``, ``bigcore2`` (the cluster of the big core number 2), ``cpu4`` (that core)."""
    cores = sorted(core for cluster in clusters for core in cluster.cores)
    single = re.match(r"cpu[-_]?(\d+)\b", name)
    if single and int(single[1]) in cores:
        return {f"core{int(single[1])}": 1.0}
    for level in ("little", "big", "prime"):
        found = re.match(rf"{level}(?:[-_]?core)?s?[-_]?(\d*)", name)
        part = [cluster for cluster in clusters if cluster.name.startswith(level)]
        if found and part:
            return _even(_numbered(part, found[1]))
    return None


def _numbered(part: Sequence[Cluster], digits: str) -> Sequence[Cluster]:
    """The cluster with the core that is number `digits` of them all; all without a number."""
    if not digits:
        return part
    owners = [cluster for cluster in part for _ in cluster.cores]
    number = int(digits)
    return (owners[number],) if number < len(owners) else part


def _even(clusters: Sequence[Cluster]) -> dict[str, float]:
    cores = [core for cluster in clusters for core in cluster.cores]
    return {f"core{core}": 1 / len(cores) for core in cores}
