"""Read a board file, and say precisely what is wrong with it."""

from collections.abc import Iterator
from importlib import resources
from typing import Any

import msgspec
import numpy as np

from platforms.board import (
    RUNAWAY_C,
    SCHEMA_VERSION,
    Accelerator,
    AcceleratorPower,
    Board,
    Cluster,
    CoolingSetup,
    Sensor,
    ThermalProtection,
)
from platforms.described_file import (
    check_finite,
    check_not_negative,
    check_positive,
    check_sources,
    convert_toml,
    shipped_names,
    text_of,
)
from platforms.errors import InvalidInput

_ABSOLUTE_ZERO_C = -273.15
_BOARDS = resources.files("platforms") / "boards"


def shipped_boards() -> tuple[str, ...]:
    """Names of the boards that come with ilgov."""
    return shipped_names(_BOARDS)


def load_board(name_or_path: str) -> Board:
    """The board of a shipped name (``hikey970``) or of a TOML file.

    Raises InvalidInput naming file, key, requirement and value.
    """
    text, origin = text_of(name_or_path, _BOARDS, kind="board", listed_by="ilgov board list")
    return parse_board(text, origin=origin)


def parse_board(text: str, *, origin: str) -> Board:
    """The board that a TOML text describes; `origin` names the text in errors."""
    board = convert_toml(text, Board, origin=origin)
    for problem in check(board):
        raise InvalidInput(f"{origin}: {problem}")
    return board


def check(board: Board) -> Iterator[str]:
    """Every contradiction inside a board, as ``key requirement (got value)``."""
    if board.schema != SCHEMA_VERSION:
        yield f"schema must be {SCHEMA_VERSION} (got {board.schema})"
    yield from check_finite(board)
    yield from _check_cores(board)
    for cluster in board.clusters:
        yield from _check_cluster(cluster)
    yield from _check_leakage(board)
    yield from check_positive("memory", board.memory, "bandwidth_bytes_per_s", "latency_s")
    yield from _check_thermal(board)
    yield from _check_names(board)
    for setup in board.cooling:
        yield from _check_cooling(board, setup)
    for sensor in board.sensors:
        yield from _check_sensor(board, sensor)
    if board.protection:
        yield from _check_protection(board, board.protection)
    for accelerator in board.accelerators:
        yield from _check_accelerator(board, accelerator)
    yield from check_not_negative("rest_of_board", board.rest_of_board, "power_w")
    for where, section in _sourced_sections(board):
        yield from check_sources(where, section)


def _check_cores(board: Board) -> Iterator[str]:
    cores = sorted(core for cluster in board.clusters for core in cluster.cores)
    if not cores or cores != list(range(len(cores))):
        yield f"clusters.cores must number the cores 0, 1, 2, ... once each (got {cores})"


def _check_cluster(cluster: Cluster) -> Iterator[str]:
    where = f"clusters.{cluster.name}"
    if not cluster.cores:
        yield f"{where}.cores must hold at least one core (got none)"
    yield from _check_opps(cluster, where)
    yield from check_not_negative(
        where,
        cluster,
        "core_wfi_w",
        "cluster_idle_w",
        "leakage_w_per_v3",
        "dvfs_latency_s",
        "thermal_weight",
    )
    yield from check_positive(where, cluster, "l2_bytes")
    if not 0 <= cluster.activity_floor <= 1:
        yield f"{where}.activity_floor must lie in 0 ... 1 (got {cluster.activity_floor})"
    for state in cluster.idle_states:
        below = f"{where}.idle_states.{state.name}"
        yield from check_not_negative(below, state, "entry_s", "exit_s", "min_residency_s")
    if cluster.stand_in:
        yield from check_positive(f"{where}.stand_in", cluster.stand_in, "cpi_scale", "stall_scale")


def _check_opps(cluster: Cluster, where: str) -> Iterator[str]:
    if not cluster.opps:
        yield f"{where}.opps must hold at least one operating point (got none)"
    yield from _check_rising(where, cluster.freqs_hz, [opp.volt_v for opp in cluster.opps])
    for opp in cluster.opps:
        leak_w = cluster.leakage_w_per_v3 * opp.volt_v**3
        if opp.core_busy_w <= leak_w:
            yield (
                f"{where}.opps.core_busy_w at {opp.freq_hz} Hz must exceed the leakage "
                f"{leak_w:.4f} W (got {opp.core_busy_w})"
            )
        if opp.cluster_busy_w < 0:
            yield (
                f"{where}.opps.cluster_busy_w at {opp.freq_hz} Hz must not be negative "
                f"(got {opp.cluster_busy_w})"
            )


def _check_rising(where: str, freqs_hz: tuple[int, ...], volts: list[float]) -> Iterator[str]:
    freqs = list(freqs_hz)
    if freqs != sorted(set(freqs)) or any(freq <= 0 for freq in freqs):
        yield f"{where}.opps.freq_hz must be positive and rise from point to point (got {freqs})"
    if volts != sorted(volts) or any(not 0.2 <= volt <= 2.0 for volt in volts):
        yield f"{where}.opps.volt_v must lie in 0.2 ... 2.0 V and never fall (got {volts})"


def _check_accelerator(board: Board, accelerator: Accelerator) -> Iterator[str]:
    where = f"accelerators.{accelerator.name}"
    yield from _check_rising(where, accelerator.freqs_hz, [opp.volt_v for opp in accelerator.opps])
    compute, power = accelerator.compute, accelerator.power
    if (compute is None) != (power is None) or (compute and not accelerator.opps):
        given = [key for key in ("opps", "compute", "power") if getattr(accelerator, key)]
        yield f"{where} must have compute and power together, and then opps (got {given})"
    if compute:
        below = f"{where}.compute"
        yield from check_positive(below, compute, "peak_flops_per_s", "bandwidth_bytes_per_s")
        yield from check_not_negative(below, compute, "launch_s", "half_flops")
    if power:
        yield from _check_accelerator_power(board, f"{where}.power", power)


def _check_accelerator_power(board: Board, where: str, power: AcceleratorPower) -> Iterator[str]:
    yield from check_not_negative(where, power, "static_w", "dynamic_w", "memory_w")
    if not 0 <= power.activity_floor <= 1:
        yield f"{where}.activity_floor must lie in 0 ... 1 (got {power.activity_floor})"
    if power.node not in {node.name for node in board.thermal.nodes}:
        yield f"{where}.node must name a thermal node (got {power.node!r})"


def _check_leakage(board: Board) -> Iterator[str]:
    leakage = board.leakage
    if not 0 <= leakage.lowest < leakage.highest:
        yield (
            "leakage.lowest must not be negative and lie below leakage.highest "
            f"(got {leakage.lowest} and {leakage.highest})"
        )
    at_ref = sum(c * leakage.ref_temp_c**power for power, c in enumerate(leakage.coefficients))
    if min(max(at_ref, leakage.lowest), leakage.highest) <= 0:
        yield (
            f"leakage.coefficients must give a positive value at {leakage.ref_temp_c} degC "
            f"(got {at_ref:.4g})"
        )
    yield from _check_leakage_rises(board)


def _check_leakage_rises(board: Board) -> Iterator[str]:
    """Complain about a curve that falls somewhere, looked at every kelvin."""
    leakage = board.leakage
    ambient_c = min((setup.ambient_c for setup in board.cooling), default=RUNAWAY_C)
    coldest_c = min(max(_ABSOLUTE_ZERO_C, ambient_c), RUNAWAY_C)
    field_c = np.append(np.arange(coldest_c, RUNAWAY_C), RUNAWAY_C)
    raw = np.polynomial.polynomial.polyval(field_c, leakage.coefficients)
    falls = np.flatnonzero(np.diff(np.clip(raw, leakage.lowest, leakage.highest)) < 0)
    if falls.size:
        yield (
            f"leakage.coefficients must give a curve that never falls from {coldest_c:g} degC, the "
            f"coldest cooling.ambient_c, to {RUNAWAY_C:g} degC (got one that falls at "
            f"{field_c[falls[0]]:g} degC); fit it anew, or clamp it with leakage.lowest and highest"
        )


def _check_thermal(board: Board) -> Iterator[str]:
    thermal = board.thermal
    names = [node.name for node in thermal.nodes]
    if len(set(names)) != len(names):
        yield f"thermal.nodes.name must be unique (got {names})"
    heated = sorted(node.core for node in thermal.nodes if node.core is not None)
    if heated != list(range(board.core_count)):
        yield f"thermal.nodes.core must name every core once (got {heated})"
    for node in thermal.nodes:
        yield from check_positive(f"thermal.nodes.{node.name}", node, "capacity_j_per_k")
    for link in thermal.links:
        if not set(link.between) <= set(names) or link.between[0] == link.between[1]:
            yield f"thermal.links.between must name two nodes (got {list(link.between)})"
        if link.conductance_w_per_k <= 0:
            yield (
                f"thermal.links.conductance_w_per_k of {list(link.between)} must be positive "
                f"(got {link.conductance_w_per_k})"
            )
    for key in ("ambient_node", "cluster_node"):
        if getattr(thermal, key) not in names:
            yield f"thermal.{key} must name a node (got {getattr(thermal, key)!r})"
    yield from _check_ambient_shares(board)
    lonely = set(names) - _reached(board)
    if lonely:
        yield f"thermal.links must lead from every node to the ambient node (not {sorted(lonely)})"


def _check_ambient_shares(board: Board) -> Iterator[str]:
    shares = board.thermal.ambient_shares
    cooled = [part.node for part in shares]
    if not shares:
        return
    if len(set(cooled)) != len(cooled) or not set(cooled) <= {n.name for n in board.thermal.nodes}:
        yield f"thermal.ambient_shares.node must name nodes, each once (got {cooled})"
    if board.thermal.ambient_node not in cooled:
        yield (
            "thermal.ambient_shares must hold the ambient node "
            f"{board.thermal.ambient_node!r} (got {cooled})"
        )
    total = sum(part.share for part in shares)
    if any(part.share <= 0 for part in shares) or abs(total - 1) > 1e-9:
        yield f"thermal.ambient_shares.share must be positive and sum to 1 (sums to {total})"


def _reached(board: Board) -> set[str]:
    pairs = [set(link.between) for link in board.thermal.links]
    reached = set(board.thermal.shares_of_air)
    while True:
        step = set().union(*(pair for pair in pairs if reached & pair))
        if step <= reached:
            return reached
        reached |= step


def _check_names(board: Board) -> Iterator[str]:
    for label, names in (
        ("clusters", [cluster.name for cluster in board.clusters]),
        ("cooling", [setup.name for setup in board.cooling]),
        ("sensors", [sensor.name for sensor in board.sensors]),
    ):
        if not names or len(set(names)) != len(names):
            yield f"{label}.name must be unique, with at least one {label} entry (got {names})"
    units = [cluster.name for cluster in board.clusters]
    units += [accelerator.name for accelerator in board.compute_accelerators]
    if len(set(units)) != len(units):
        yield f"accelerators.name must be none of another accelerator or cluster (got {units})"


def _check_cooling(board: Board, setup: CoolingSetup) -> Iterator[str]:
    where = f"cooling.{setup.name}"
    yield from check_positive(where, setup, "conductance_w_per_k")
    if setup.then is None:
        return
    lasting = [other.name for other in board.cooling if other.then is None]
    if setup.then.cooling not in lasting:
        yield (
            f"{where}.then.cooling must name a setup that lasts, one of {', '.join(lasting)} "
            f"(got {setup.then.cooling!r})"
        )
    if not 0 < setup.then.at_share < 1:
        yield f"{where}.then.at_share must lie between 0 and 1 (got {setup.then.at_share})"


def _check_sensor(board: Board, sensor: Sensor) -> Iterator[str]:
    where = f"sensors.{sensor.name}"
    nodes = {node.name for node in board.thermal.nodes}
    if not set(sensor.weights) <= nodes or abs(sum(sensor.weights.values()) - 1) > 1e-9:
        yield f"{where}.weights must name thermal nodes and sum to 1 (got {sensor.weights})"
    yield from check_positive(where, sensor, "step_k", "period_s")
    yield from check_not_negative(where, sensor, "noise_k")


def _check_protection(board: Board, protection: ThermalProtection) -> Iterator[str]:
    if protection.sensor not in {sensor.name for sensor in board.sensors}:
        yield f"protection.sensor must name a sensor (got {protection.sensor!r})"
    if protection.switch_on_c >= protection.target_c:
        yield (
            f"protection.switch_on_c must lie below target_c = {protection.target_c} "
            f"(got {protection.switch_on_c})"
        )
    yield from check_positive("protection", protection, "polling_s", "sustainable_w")
    yield from check_not_negative("protection", protection, "hysteresis_k")


def _sourced_sections(board: Board) -> Iterator[tuple[str, Any]]:
    for field in board.__struct_fields__:
        value = getattr(board, field)
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, msgspec.Struct):
                name = getattr(part, "name", None)
                yield (f"{field}.{name}" if name else field), part
