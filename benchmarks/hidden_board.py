"""Random simulated boards whose parameters nobody is told, and the programs that run on them.

A hidden board has the HiKey 970's clusters, frequencies, voltages and sensor. Its powers, leakage,
thermal network, cooling and sensor noise are drawn around the shipped file's, and so are the speeds
of both core types, which programs feel in their profiles.
"""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from platforms.application import ApplicationProfile, CoreProfile
from platforms.application_file import find_applications
from platforms.board import Board, Cluster, CoolingSetup, OperatingPoint, Sensor, Thermal
from platforms.board_file import load_board

POWERS = RESISTANCES = (0.6, 1.7)
"""Powers, leakage, conductances and capacities: factors, even in the logarithm."""

POINTS = (0.85, 1.18)
"""One operating point's core power beside its cluster's, the same way."""

SPEEDS = (0.75, 1.33)
"""Cycles and stalls per instruction of a core type, the same way."""

ACTIVITIES = (0.75, 1.33)
"""A program's activity, the same way, 1 at most in all of its phases."""

PLACES = (0.6, 1.7)
"""The weights of the sensor on the big cores, the same way."""

SENSOR = "bigcore-thermal"
"""A name that tells what the sensor is for, as the RK3588's zones have them."""

AIR_C, NOISE_K = (18.0, 32.0), (0.2, 0.8)
COOLINGS = ("fan", "passive")
_OURS = "assumed: drawn at random for a hidden board"


def hidden_board(seed: int) -> tuple[Board, tuple[ApplicationProfile, ...]]:
    """The board of a seed, and all shipped cbench and PARSEC programs as they run on it."""
    rng = np.random.default_rng([seed, 970])
    shipped = load_board("hikey970")
    board = replace(
        shipped,
        name=f"hidden-{seed}",
        title=f"Hidden board {seed}",
        clusters=tuple(_cluster(cluster, rng) for cluster in shipped.clusters),
        thermal=_thermal(shipped, rng),
        cooling=_coolings(shipped, rng),
        sensors=(_sensor(shipped.sensors[0], rng),),
    )
    board = replace(board, protection=replace(board.protection, sensor=SENSOR))
    return board, _programs(board, rng)


def _factor(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))


def _cluster(cluster: Cluster, rng: np.random.Generator) -> Cluster:
    level, shared = _factor(rng, POWERS), _factor(rng, POWERS)
    leak = cluster.leakage_w_per_v3 * _factor(rng, POWERS)
    floor = min(cluster.activity_floor * _factor(rng, POWERS), 0.9)
    opps: list[OperatingPoint] = []
    for opp in cluster.opps:
        dynamic_w = opp.core_busy_w - cluster.leakage_w_per_v3 * opp.volt_v**3
        dynamic_w *= level * _factor(rng, POINTS)
        opps.append(
            replace(
                opp,
                core_busy_w=dynamic_w + leak * opp.volt_v**3,
                cluster_busy_w=opp.cluster_busy_w * shared,
            )
        )
    return replace(cluster, opps=tuple(opps), leakage_w_per_v3=leak, activity_floor=floor)


def _thermal(board: Board, rng: np.random.Generator) -> Thermal:
    """Each kind of node and link has a factor of its own."""
    cluster_of = {n.name: board.cluster_of_core[n.core] for n in board.thermal.nodes
                  if n.core is not None}  # fmt: skip
    drawn: dict[object, float] = {}

    def factor(*kind: object) -> float:
        return drawn.setdefault(kind, _factor(rng, RESISTANCES))

    nodes = tuple(
        replace(
            node,
            capacity_j_per_k=node.capacity_j_per_k
            * factor("capacity", cluster_of.get(node.name, node.name)),
        )
        for node in board.thermal.nodes
    )
    links = tuple(
        replace(
            link,
            conductance_w_per_k=link.conductance_w_per_k
            * factor(*(cluster_of.get(name, name) for name in link.between)),
        )
        for link in board.thermal.links
    )
    return replace(board.thermal, nodes=nodes, links=links)


def _coolings(board: Board, rng: np.random.Generator) -> tuple[CoolingSetup, ...]:
    """In one room."""
    air_c = float(rng.uniform(*AIR_C))
    setups = [board.cooling_named(name) for name in COOLINGS]
    return tuple(
        replace(
            setup,
            conductance_w_per_k=setup.conductance_w_per_k * _factor(rng, RESISTANCES),
            ambient_c=air_c,
            sources=dict.fromkeys(setup.sources, _OURS),
        )
        for setup in setups
    )


def _sensor(sensor: Sensor, rng: np.random.Generator) -> Sensor:
    """Somewhere among the same cores."""
    shares = {node: _factor(rng, PLACES) for node in sensor.weights}
    total = sum(shares.values())
    return replace(
        sensor,
        name=SENSOR,
        weights={node: share / total for node, share in shares.items()},
        noise_k=float(rng.uniform(*NOISE_K)),
    )


def _programs(board: Board, rng: np.random.Generator) -> tuple[ApplicationProfile, ...]:
    scales = {
        cluster.core_type: (_factor(rng, SPEEDS), _factor(rng, SPEEDS))
        for cluster in board.clusters
    }
    memory = scales[board.clusters[-1].core_type][1]
    return tuple(
        _program(profile, scales, memory, _factor(rng, ACTIVITIES))
        for profile in find_applications(["cbench", "parsec"])
    )


def _program(
    profile: ApplicationProfile,
    scales: dict[str, tuple[float, float]],
    memory: float,
    activity: float,
) -> ApplicationProfile:
    """A program on other cores; its traffic grows with what its stalls on the big ones do."""
    most = max([1.0, *(phase.activity_scale for phase in profile.phases)])
    cores = {
        core_type: CoreProfile(
            cpi=core.cpi * scales[core_type][0], stall_s=core.stall_s * scales[core_type][1]
        )
        for core_type, core in profile.core_profiles.items()
        if core_type in scales
    }
    return replace(
        profile,
        core_profiles=cores,
        activity=min(profile.activity * activity, 1.0 / most),
        bytes_per_instruction=profile.bytes_per_instruction * memory,
        sources={k: v for k, v in profile.sources.items() if _kept(k, cores)},
    )


def _kept(key: str, cores: dict[str, CoreProfile]) -> bool:
    parts = key.split(".")
    return parts[0] != "core_profiles" or parts[1] in cores


def suites(programs: Sequence[ApplicationProfile]) -> dict[str, tuple[ApplicationProfile, ...]]:
    """The programs by their suite."""
    names = dict.fromkeys(program.suite for program in programs)
    return {name: tuple(p for p in programs if p.suite == name) for name in names}
