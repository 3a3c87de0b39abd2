"""What a probe found, as text for people and as JSON for machines."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from platforms.board import Board, Cluster
from platforms.linux.files.cpu_list import format_cpu_list
from platforms.linux.probe.fact import Gap
from platforms.linux.probe.probe import Probe, assumptions
from platforms.linux.probe.probed_cluster import ProbedCluster
from platforms.linux.thermal_zones import Zone


def probe_lines(probe: Probe) -> Iterator[str]:
    """The report, line by line: what is there, what could not be seen, what is assumed."""
    machine = probe.machine
    what = ", ".join(machine.compatible) or machine.soc
    yield f"{machine.title} ({what}), Linux {machine.kernel}"
    yield from _block("clusters", [line for c in probe.clusters for line in _cluster_lines(c)])
    yield from _block("thermal zones", [_zone_line(zone, probe) for zone in probe.zones])
    yield from _block("cooling devices", list(_cooling_lines(probe)))
    yield from _block("other clocks", list(_device_lines(probe)))
    yield from _block(
        f"could not be seen, {len(probe.gaps)} in number",
        [line for gap in probe.gaps for line in _gap_lines(gap)],
    )
    if probe.board is not None:
        yield from _block(
            "assumed in the board file, each also marked there",
            list(_assumed_lines(probe.board)),
        )


def probe_document(probe: Probe) -> dict[str, Any]:
    """The report for machines; `board` is the whole board file, None where there can be none."""
    board = probe.board
    return {
        "machine": msgspec.to_builtins(probe.machine),
        "complete": board is not None,
        "problems": list(probe.problems),
        "clusters": [_cluster_document(probed) for probed in probe.clusters],
        "thermal_zones": [_zone_document(zone, probe) for zone in probe.zones],
        "cooling_devices": msgspec.to_builtins(probe.cooling_devices),
        "devices": msgspec.to_builtins(probe.devices),
        "not_seen": msgspec.to_builtins(probe.gaps),
        "assumed": [{"key": key, "why": why} for key, why in assumptions(board)] if board else [],
        "board": msgspec.to_builtins(board),
    }


def file_head(probe: Probe) -> tuple[str, ...]:
    """What the written board file says of itself."""
    machine = probe.machine
    return (
        f"{machine.title}: written by 'ilgov board probe' on Linux {machine.kernel}.",
        "",
        "Units are SI and stand in the keys. `sources` says of every value whether it was seen on",
        "this machine (measured, device tree), computed from that (derived) or assumed. What is",
        "assumed is good enough to start with and no measurement: power, heat and speed of this",
        "board are known only after a calibration.",
    )


def _block(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield from ("", title)
    yield from (f"  {line}" for line in lines or ["none"])


def _cluster_lines(probed: ProbedCluster) -> Iterator[str]:
    cluster = probed.cluster
    capacity = "unknown" if probed.capacity is None else str(probed.capacity)
    yield (
        f"{cluster.name}: {len(cluster.cores)} x {cluster.core_type}, cores "
        f"{format_cpu_list(cluster.cores)}, cpufreq {probed.policy}, capacity {capacity}"
    )
    yield f"  {_span(cluster)}"
    yield f"  governors: {', '.join(probed.governors) or 'none'}"
    names = ", ".join(state.name for state in cluster.idle_states) or "none"
    yield f"  sleep states: {names}; L2 {cluster.l2_bytes // 1024} KiB"


def _span(cluster: Cluster) -> str:
    if not cluster.opps:
        return "no operating point"
    low, high = cluster.opps[0], cluster.opps[-1]
    return (
        f"{len(cluster.opps)} operating points, {low.freq_hz / 1e6:g} MHz at {low.volt_v:g} V to "
        f"{high.freq_hz / 1e6:g} MHz at {high.volt_v:g} V"
    )


def _zone_line(zone: Zone, probe: Probe) -> str:
    trips = ", ".join(f"{trip.kind} {trip.temp_c:g}" for trip in zone.trips) or "none"
    used = "" if _is_sensor(zone, probe) else " (not in the board file)"
    return f"{zone.name}: {zone.folder.name}, trips in degC: {trips}{used}"


def _is_sensor(zone: Zone, probe: Probe) -> bool:
    return any(probed.zone.name == zone.name for probed in probe.sensors)


def _cooling_lines(probe: Probe) -> Iterator[str]:
    for device in probe.cooling_devices:
        yield f"{device.name}: {device.kind}, states 0 to {device.max_state}"


def _device_lines(probe: Probe) -> Iterator[str]:
    for device in probe.devices:
        freqs = ", ".join(f"{freq_hz / 1e6:g}" for freq_hz in device.freqs_hz) or "none listed"
        yield f"{device.name} ({device.kind}): {freqs} MHz"


def _gap_lines(gap: Gap) -> Iterator[str]:
    yield gap.what
    yield f"  looked at: {gap.looked_at}"
    yield f"  instead:   {gap.instead}"
    if gap.way_out:
        yield f"  way out:   {gap.way_out}"


def _assumed_lines(board: Board) -> Iterator[str]:
    for key, why in assumptions(board):
        yield f"{key}: {why}"


def _cluster_document(probed: ProbedCluster) -> dict[str, Any]:
    return {
        "name": probed.cluster.name,
        "core_type": probed.cluster.core_type,
        "cores": list(probed.cluster.cores),
        "policy": probed.policy,
        "governors": list(probed.governors),
        "capacity": probed.capacity,
        "power_coefficient": probed.power_coefficient,
        "freqs_hz": list(probed.cluster.freqs_hz),
        "volts": [opp.volt_v for opp in probed.cluster.opps],
        "idle_states": [state.name for state in probed.cluster.idle_states],
    }


def _zone_document(zone: Zone, probe: Probe) -> dict[str, Any]:
    return {
        "name": zone.name,
        "folder": zone.folder.name,
        "trips": msgspec.to_builtins(zone.trips),
        "is_sensor": _is_sensor(zone, probe),
    }
