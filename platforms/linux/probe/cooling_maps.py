"""Which clusters the kernel slows down for which thermal zone, and with what weight."""

import re
from collections.abc import Mapping, Sequence

from platforms.linux.files.maybe_file import folders_at, number_at, text_at
from platforms.linux.probe.fact import Fact, typical
from platforms.linux.probe.place import Place
from platforms.linux.thermal_zones import Zone

EVEN_WEIGHT = 1024


def cooled_clusters(zone: Zone, places: Sequence[Place]) -> dict[int, int]:
    """The clusters, by first core, that a zone slows down, each with its weight."""
    found = {}
    for device in folders_at(zone.folder, "cdev*"):
        place = _cluster_of(text_at(device / "type") or "", places)
        if place is not None:
            found[place.core] = number_at(zone.folder / f"{device.name}_weight") or 0
    return found


def thermal_weights(
    cooled: Mapping[str, Mapping[int, int]], places: Sequence[Place]
) -> dict[int, Fact[int]]:
    """Every cluster's weight, by first core: the first zone's that gives it one."""
    weights = {place.core: typical(EVEN_WEIGHT, "equal; the kernel names none") for place in places}
    for zone, clusters in reversed(list(cooled.items())):
        for core, weight in clusters.items():
            if weight:
                weights[core] = Fact(weight, f"measured: weight in the cooling map of zone {zone}")
    return weights


def _cluster_of(device_type: str, places: Sequence[Place]) -> Place | None:
    """The cluster that a cooling device slows down; None for fans, GPUs and the like.

    ``cpufreq-cpu4`` names a core (Linux 5.12 on), ``thermal-cpufreq-1`` counts the policies.
    """
    match = re.fullmatch(r"(thermal-cpufreq-|cpufreq-cpu)(\d+)", device_type)
    if match is None:
        return None
    number = int(match[2])
    if match[1] == "cpufreq-cpu":
        return next((place for place in places if number in place.cores), None)
    return places[number] if number < len(places) else None
