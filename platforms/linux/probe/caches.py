"""The level-2 cache that a thread refills when it moves."""

from pathlib import Path

from platforms.linux.files.maybe_file import cores_at, folders_at, number_at, text_at
from platforms.linux.probe.fact import Fact, unseen
from platforms.linux.probe.place import Place
from platforms.linux.probe.typical_values import Typical


def l2_bytes(place: Place, typical: Typical) -> Fact[int]:
    """The size of a core's L2 cache, whether it has it alone or not."""
    seen = _size_bytes(_l2_folder(place))
    if seen:
        return Fact(seen, f"measured: cache size of cpu{place.core} in sysfs")
    cache = place.tree.target(place.node.cell("next-level-cache")) if place.node else None
    described = cache.cell("cache-size") if cache else None
    if described:
        return Fact(described, "device tree: cache-size of the core's next-level-cache")
    return unseen(
        typical.l2_bytes,
        f"{typical.l2_bytes // 1024} KiB, as the RK3399's clusters have",
        what=f"size of the L2 cache of core {place.core}",
        looked_at="cache/index*/size, device tree (cache-size)",
        way_out="the chip's data sheet has it",
    )


def l2_shared(place: Place) -> Fact[bool]:
    """Whether the cores of a cluster have one L2 cache together."""
    folder = _l2_folder(place)
    sharing = cores_at(folder / "shared_cpu_list") if folder else ()
    if sharing:
        shared = len(sharing) > 1 or len(place.cores) == 1
        return Fact(shared, f"measured: shared_cpu_list of cpu{place.core}'s cache in sysfs")
    handles = {node.cell("next-level-cache") for node in place.nodes.values()}
    if handles and None not in handles:
        return Fact(len(handles) == 1, "device tree: next-level-cache of the cores' nodes")
    return unseen(
        True,
        "one L2 cache for all cores of the cluster",
        what=f"who shares the L2 cache of core {place.core}",
        looked_at="cache/index*/shared_cpu_list, device tree (next-level-cache)",
        way_out="the chip's data sheet has it",
    )


def _l2_folder(place: Place) -> Path | None:
    cpu = place.root / f"sys/devices/system/cpu/cpu{place.core}"
    caches = folders_at(cpu / "cache", "index*")
    return next((cache for cache in caches if number_at(cache / "level") == 2), None)


def _size_bytes(folder: Path | None) -> int | None:
    """``512K`` in bytes."""
    text = (text_at(folder / "size") or "") if folder else ""
    digits, unit = text.rstrip("KM"), text[-1:]
    scale = {"K": 1024, "M": 1024 * 1024}.get(unit, 1)
    return int(digits) * scale if digits.isdecimal() else None
