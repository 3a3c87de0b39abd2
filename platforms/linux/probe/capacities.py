"""How strong a cluster's cores are at their highest frequency, the board's strongest being 1024."""

from collections.abc import Sequence

from platforms.linux.files.maybe_file import number_at
from platforms.linux.probe.fact import Fact, Gap
from platforms.linux.probe.place import Place

STRONGEST = 1024


def core_capacities(places: Sequence[Place], top_hz: Sequence[int]) -> tuple[Fact[int | None], ...]:
    """A capacity for every cluster, or for none: strengths of two kinds cannot be compared."""
    shown = [_shown(place) for place in places]
    if all(number is not None for number in shown):
        source = "derived: cpu_capacity {} in sysfs at the top, in proportion to frequency"
        return tuple(Fact(number, source.format(number)) for number in shown)
    described = [place.node.cell("capacity-dmips-mhz") if place.node else None for place in places]
    if all(described):
        return tuple(_scaled([n or 0 for n in described], top_hz))
    gap = Gap(
        "capacity of the cores",
        "cpu_capacity in sysfs, device tree (capacity-dmips-mhz)",
        "none: clusters are compared by their busy power",
        "a kernel of 4.14 or newer, with capacity-dmips-mhz in the device tree",
    )
    return tuple(Fact[int | None](None, "assumed: none", gap) for _ in places)


def _shown(place: Place) -> int | None:
    return number_at(place.root / f"sys/devices/system/cpu/cpu{place.core}/cpu_capacity")


def _scaled(per_mhz: Sequence[int], top_hz: Sequence[int]) -> list[Fact[int | None]]:
    products = [number * hz for number, hz in zip(per_mhz, top_hz, strict=True)]
    strongest = max(products) or 1
    return [
        Fact(
            round(STRONGEST * product / strongest),
            f"derived: capacity-dmips-mhz {number} x frequency, {STRONGEST} for the strongest core",
        )
        for number, product in zip(per_mhz, products, strict=True)
    ]
