"""A cluster of the board file, put together from what the kernel shows of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from platforms.board import Cluster, OperatingPoint, StandIn
from platforms.linux.clocks.frequency_policies import boost_hz, governors, latency_s
from platforms.linux.probe.caches import l2_bytes, l2_shared
from platforms.linux.probe.capacities import core_capacities
from platforms.linux.probe.core_types import UNKNOWN, core_type, midr_type
from platforms.linux.probe.fact import Fact, Gap, typical
from platforms.linux.probe.idle_states_seen import idle_states
from platforms.linux.probe.place import Place
from platforms.linux.probe.probed_points import Points, probe_points
from platforms.linux.probe.typical_values import (
    CLUSTER_SHARE,
    COREMARK_PER_MHZ,
    WITH_PROFILES,
    Typical,
    typical_of,
)

REF_TEMP_C = 65.0
"""Busy powers hold at this temperature, as in the shipped board files."""

_LEVELS = {2: ("little", "big"), 3: ("little", "big", "prime")}


class ProbedCluster(Struct, frozen=True):
    """A cluster, and what was seen of it that the board file has no place for.

    `power_coefficient` is the device tree's, uW per MHz and V^2; `capacity` the kernel's, 1024 for
    the strongest core of the board at its highest frequency.
    """

    cluster: Cluster
    policy: str
    governors: tuple[str, ...]
    capacity: int | None
    power_coefficient: int | None
    gaps: tuple[Gap, ...]


def probe_clusters(
    places: Sequence[Place], weights: Mapping[int, Fact[int]]
) -> tuple[ProbedCluster, ...]:
    """All clusters; `weights` are the kernel's for its cooling, by a cluster's first core."""
    types = [core_type(place.root, place.core, place.node) for place in places]
    tops = [
        _points(place, kind, weak=False).freqs_hz.value
        for place, kind in zip(places, types, strict=True)
    ]
    capacities = core_capacities(places, [freqs[-1] if freqs else 0 for freqs in tops])
    names = cluster_names([kind.value for kind in types], [fact.value for fact in capacities])
    strongest = max((fact.value or 0 for fact in capacities), default=0)
    return tuple(
        _probed(
            place, name, kind, capacity, weights[place.core], weak=(capacity.value or 0) < strongest
        )
        for place, name, kind, capacity in zip(places, names, types, capacities, strict=True)
    )


def cluster_names(types: Sequence[str], capacities: Sequence[int | None]) -> tuple[str, ...]:
    """Names by strength, numbered where several clusters have cores of one type.

    >>> cluster_names(["cortex-a55", "cortex-a76", "cortex-a76"], [398, 1024, 1024])
    ('little', 'big0', 'big1')
    """
    strength: dict[str, int] = {}
    kinds = [
        f"{kind} {capacity}" if kind == UNKNOWN else kind
        for kind, capacity in zip(types, capacities, strict=True)
    ]
    for kind, capacity in zip(kinds, capacities, strict=True):
        strength[kind] = max(strength.get(kind, 0), capacity or 0)
    weakest_first = sorted(strength, key=lambda kind: strength[kind])
    levels = dict(zip(weakest_first, _LEVELS.get(len(strength), ()), strict=False))
    bases = [levels.get(kind, "cluster") for kind in kinds]
    many, given = Counter(bases), Counter[str]()
    names = []
    for base in bases:
        numbered = many[base] > 1 or base == "cluster"
        names.append(f"{base}{given[base]}" if numbered else base)
        given[base] += 1
    return tuple(names)


def _points(place: Place, kind: Fact[str], *, weak: bool) -> Points:
    return probe_points(place, kind.value, typical_of(kind.value, weak=weak))


def _probed(
    place: Place,
    name: str,
    kind: Fact[str],
    capacity: Fact[int | None],
    weight: Fact[int],
    *,
    weak: bool,
) -> ProbedCluster:
    usual = typical_of(kind.value, weak=weak)
    points = _points(place, kind, weak=weak)
    facts = dict(_facts(place, kind, points, usual, weight))
    leak = usual.leakage_w_per_v3
    sources = {key: fact.source for key, fact in facts.items()}
    cluster = Cluster(
        name=name,
        opps=tuple(_opps(points, leak, capacity.value)),
        stand_in=_stand_in(kind.value, usual, sources),
        sources=sources | dict(_point_sources(points, capacity)),
        **{key: fact.value for key, fact in facts.items()},
    )
    every = (*facts.values(), points.freqs_hz, points.volts, points.dynamic_w, capacity)
    gaps = [fact.gap for fact in every if fact.gap] + list(_oddities(place, kind))
    return ProbedCluster(
        cluster=_with_idle_sources(cluster),
        policy=place.folder.name,
        governors=governors(place.folder),
        capacity=capacity.value,
        power_coefficient=place.power_coefficient,
        gaps=tuple(dict.fromkeys(gaps)),
    )


def _facts(
    place: Place, kind: Fact[str], points: Points, usual: Typical, weight: Fact[int]
) -> Iterator[tuple[str, Fact[Any]]]:
    """The cluster's own values by their key in the board file."""
    leak = usual.leakage_w_per_v3
    volts = points.volts.value
    middle_v = volts[len(volts) // 2] if volts else 0.0
    wfi_w = round(leak * middle_v**3, 5)
    yield "core_type", kind
    yield "cores", Fact(place.cores, f"measured: cpufreq {place.folder.name}, related_cpus")
    yield (
        "core_wfi_w",
        Fact(wfi_w, f"derived: the leakage at {middle_v:g} V and {REF_TEMP_C:g} degC"),
    )
    yield (
        "cluster_idle_w",
        typical(
            round(wfi_w * usual.idle_ratio, 5),
            f"the HiKey 970's ratio to the WFI power of a core, {usual.idle_ratio:.2f}",
        ),
    )
    yield "leakage_w_per_v3", typical(leak, f"as the HiKey 970's {usual.like}")
    yield "activity_floor", typical(usual.activity_floor, f"as the HiKey 970's {usual.like}")
    yield "l2_bytes", l2_bytes(place, usual)
    yield "l2_shared", l2_shared(place)
    yield "dvfs_latency_s", latency_s(place.folder, points.tree_latency_ns)
    yield "thermal_weight", weight
    yield "idle_states", idle_states(place)


def _opps(points: Points, leak: float, capacity: int | None) -> Iterator[OperatingPoint]:
    freqs_hz = points.freqs_hz.value
    rows = zip(freqs_hz, points.volts.value, points.dynamic_w.value, strict=True)
    for freq_hz, volt_v, dynamic_w in rows:
        core_w = round(dynamic_w + leak * volt_v**3, 6)
        yield OperatingPoint(
            freq_hz=freq_hz,
            volt_v=volt_v,
            core_busy_w=core_w,
            cluster_busy_w=round(CLUSTER_SHARE * core_w, 6),
            capacity=None if capacity is None else round(capacity * freq_hz / freqs_hz[-1]),
        )


def _point_sources(points: Points, capacity: Fact[int | None]) -> Iterator[tuple[str, str]]:
    with_volts = ", at assumed voltages" if points.volts.assumed else ""
    leakage = f" + leakage at {REF_TEMP_C:g} degC{with_volts}"
    yield "opps.freq_hz", points.freqs_hz.source
    yield "opps.volt_v", points.volts.source
    yield "opps.core_busy_w", points.dynamic_w.source + leakage
    yield (
        "opps.cluster_busy_w",
        (f"assumed: {CLUSTER_SHARE:g} of a core's, as on the HiKey 970 at its top points"),
    )
    if capacity.value is not None:
        yield "opps.capacity", capacity.source


def _with_idle_sources(cluster: Cluster) -> Cluster:
    """The board file gives a source for each value of a sleep state, not for all together."""
    sources = dict(cluster.sources)
    source = sources.pop("idle_states")
    if cluster.idle_states:
        keys = ("entry_s", "exit_s", "min_residency_s")
        sources |= {f"idle_states.{key}": source for key in keys}
    return replace(cluster, sources=sources)


def _stand_in(kind: str, usual: Typical, sources: dict[str, str]) -> StandIn | None:
    """The core type whose application profiles are used, where there are none for `kind`."""
    if kind in WITH_PROFILES:
        return None
    theirs, ours = COREMARK_PER_MHZ[usual.stand_in], COREMARK_PER_MHZ.get(kind)
    scale = (
        f"derived: CoreMark/MHz {theirs} ({usual.stand_in}) / {ours} ({kind}), freqbench @9eb16ad"
    )
    sources["stand_in.core_type"] = f"assumed: the {usual.stand_in} is the nearest with profiles"
    sources["stand_in.cpi_scale"] = scale if ours else "assumed: as fast per cycle"
    sources["stand_in.stall_scale"] = "assumed: the same memory latency"
    cpi_scale = round(theirs / ours, 4) if ours else 1.0
    return StandIn(core_type=usual.stand_in, cpi_scale=cpi_scale, stall_scale=1.0)


def _oddities(place: Place, kind: Fact[str]) -> Iterator[Gap]:
    """What was seen twice and differently, and what was seen and left out."""
    claimed = midr_type(place.root, place.core)
    if claimed is not None and claimed != kind.value:
        yield Gap(
            f"type of core {place.core}: the device tree says {kind.value}, the core {claimed}",
            "device tree (compatible), MIDR register",
            "the device tree's",
        )
    boost = boost_hz(place.folder)
    if boost:
        yield Gap(
            f"boost frequencies of {place.folder.name}, {len(boost)} up to {boost[-1]} Hz",
            "scaling_boost_frequencies",
            "left out: the governor uses those that are always allowed",
        )
