"""The kernel's own thermal protection, from the trips of the zone that slows most clusters down."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from platforms.board import ThermalProtection
from platforms.linux.files.maybe_file import number_at
from platforms.linux.probe.device_tree import DeviceTree
from platforms.linux.probe.fact import Fact, Gap, typical, unseen
from platforms.linux.probe.probed_sensors import zone_node
from platforms.linux.thermal_zones import Trip, Zone

AMBIENT_C = 35.0
RESISTANCE_K_PER_W = 12.3
"""Chip to air of a HiKey 970 without a fan."""

_SWITCH_ON_BELOW_K = 10.0


class ProbedProtection(Struct, frozen=True):
    """The protection (None: no zone has a passive trip), and what had to be assumed."""

    protection: ThermalProtection | None
    gaps: tuple[Gap, ...]


def probe_protection(
    tree: DeviceTree, zones: Sequence[Zone], cooled: Mapping[str, Mapping[int, int]]
) -> ProbedProtection:
    """The protection of the zone that cools most clusters; of equals the first."""
    able = [zone for zone in zones if _passive(zone)]
    if not able:
        return ProbedProtection(None, (_no_trip(),))
    zone = max(able, key=lambda zone: len(cooled.get(zone.name, ())))
    facts = _facts(tree, zone)
    protection = ThermalProtection(
        sources={key: fact.source for key, fact in facts.items()},
        **{key: fact.value for key, fact in facts.items()},
    )
    return ProbedProtection(protection, tuple(fact.gap for fact in facts.values() if fact.gap))


def _no_trip() -> Gap:
    return Gap(
        "the temperature at which the kernel slows the clusters down",
        "thermal zones (trip points of type passive)",
        "no protection: the kernel is taken to do nothing before it powers off",
    )


def _passive(zone: Zone) -> list[Trip]:
    return sorted((t for t in zone.trips if t.kind == "passive"), key=lambda trip: trip.temp_c)


def _facts(tree: DeviceTree, zone: Zone) -> dict[str, Fact[Any]]:
    trips = _passive(zone)
    target = trips[-1]
    return {
        "sensor": Fact(zone.name, "measured: the zone with passive trips that cools most clusters"),
        "target_c": Fact(target.temp_c, f"measured: trip point {target.number} of {zone.name}"),
        "switch_on_c": _switch_on(zone, trips),
        "hysteresis_k": _hysteresis(zone, target),
        "polling_s": _polling_s(tree, zone),
        "sustainable_w": _sustainable_w(tree, zone, target.temp_c),
    }


def _switch_on(zone: Zone, trips: Sequence[Trip]) -> Fact[float]:
    below = [trip for trip in trips if trip.temp_c < trips[-1].temp_c]
    if below:
        return Fact(below[-1].temp_c, f"measured: trip point {below[-1].number} of {zone.name}")
    why = f"{_SWITCH_ON_BELOW_K:g} K below the target; zone {zone.name} has no such trip"
    return typical(trips[-1].temp_c - _SWITCH_ON_BELOW_K, why)


def _hysteresis(zone: Zone, target: Trip) -> Fact[float]:
    if target.hysteresis_k is None:
        return typical(1.0, "1 K, as the HiKey boards")
    return Fact(target.hysteresis_k, f"measured: trip point {target.number} of {zone.name}")


def _polling_s(tree: DeviceTree, zone: Zone) -> Fact[float]:
    node = zone_node(tree, zone)
    delay_ms = node.cell("polling-delay-passive") if node else None
    if delay_ms:
        return Fact(delay_ms / 1e3, f"device tree: polling-delay-passive of zone {zone.name}")
    return unseen(
        0.1,
        "100 ms, as most device trees have it",
        what=f"how often the kernel looks at zone {zone.name} when it is hot",
        looked_at="device tree (polling-delay-passive)",
    )


def _sustainable_w(tree: DeviceTree, zone: Zone, target_c: float) -> Fact[float]:
    shown_mw = number_at(zone.folder / "sustainable_power")
    if shown_mw:
        return Fact(shown_mw / 1e3, f"measured: sustainable_power of zone {zone.name}")
    node = zone_node(tree, zone)
    described_mw = node.cell("sustainable-power") if node else None
    if described_mw:
        return Fact(described_mw / 1e3, f"device tree: sustainable-power of zone {zone.name}")
    return unseen(
        round(max(target_c - AMBIENT_C, 1.0) / RESISTANCE_K_PER_W, 2),
        f"{target_c:g} degC at {AMBIENT_C:g} degC ambient over {RESISTANCE_K_PER_W:g} K/W, as a "
        "HiKey 970 without a fan",
        what=f"sustainable power of zone {zone.name}",
        looked_at="sustainable_power in sysfs, device tree (sustainable-power)",
        way_out="run the board at a steady load and look at which power it settles",
    )
