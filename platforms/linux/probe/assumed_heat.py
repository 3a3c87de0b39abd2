"""What no kernel shows of a board's heat: network, cooling setups, leakage, memory, the rest.

All of it is the HiKey 970's, with as many cores as the board has; ``board calibrate`` fits it.
"""

from collections.abc import Iterator, Sequence

from platforms.board import (
    Cluster,
    CoolingSetup,
    Leakage,
    Memory,
    RestOfBoard,
    Thermal,
    ThermalLink,
    ThermalNode,
)
from platforms.linux.probe.fact import Fact
from platforms.linux.probe.probed_cluster import REF_TEMP_C
from platforms.linux.probe.probed_sensors import DIE

_LIKE = "assumed: as the HiKey 970"
_BOARD = "board"
_CORE_J_PER_K, _DIE_J_PER_K, _BOARD_J_PER_K = 0.23, 1.2, 17.0
_CORE_TO_DIE_W_PER_K, _NEIGHBOURS_W_PER_K, _DIE_TO_BOARD_W_PER_K = 0.77, 0.15, 0.4
_COOLING_W_PER_K = {"passive": 0.10204, "heatsink": 0.2, "fan": 0.4}


def thermal_network(clusters: Sequence[Cluster]) -> Thermal:
    """A node for every core, the die and the board; neighbours of a cluster in a row."""
    cores = sorted(core for cluster in clusters for core in cluster.cores)
    nodes = [
        ThermalNode(name=f"core{core}", capacity_j_per_k=_CORE_J_PER_K, core=core) for core in cores
    ]
    nodes.append(ThermalNode(name=DIE, capacity_j_per_k=_DIE_J_PER_K))
    nodes.append(ThermalNode(name=_BOARD, capacity_j_per_k=_BOARD_J_PER_K))
    return Thermal(
        nodes=tuple(nodes),
        links=tuple(_links(clusters)),
        ambient_node=_BOARD,
        cluster_node=DIE,
        sources={
            "nodes.capacity_j_per_k": _LIKE,
            "links.between": "assumed: cores of a cluster in a row, on one die, the die on a board",
            "links.conductance_w_per_k": f"{_LIKE}, all cores alike",
            "ambient_node": "assumed: all heat leaves through the board",
            "cluster_node": "assumed: the clusters' shared power is spread over the die",
        },
    )


def _links(clusters: Sequence[Cluster]) -> Iterator[ThermalLink]:
    for cluster in clusters:
        for core in cluster.cores:
            yield _link(f"core{core}", DIE, _CORE_TO_DIE_W_PER_K)
        for left, right in zip(cluster.cores, cluster.cores[1:], strict=False):
            yield _link(f"core{left}", f"core{right}", _NEIGHBOURS_W_PER_K)
    yield _link(DIE, _BOARD, _DIE_TO_BOARD_W_PER_K)


def _link(one: str, other: str, conductance_w_per_k: float) -> ThermalLink:
    return ThermalLink(between=(one, other), conductance_w_per_k=conductance_w_per_k)


def cooling_setups(*, has_fan: bool) -> tuple[CoolingSetup, ...]:
    """The usual ones; the first is what the machine seems to have."""
    names = ("fan", "passive") if has_fan else ("passive", "heatsink", "fan")
    return tuple(
        CoolingSetup(
            name=name,
            conductance_w_per_k=_COOLING_W_PER_K[name],
            ambient_c=25.0,
            sources={
                "conductance_w_per_k": f"{_LIKE} with this cooling",
                "ambient_c": "assumed: a cool room",
            },
        )
        for name in names
    )


def leakage() -> Leakage:
    """The only leakage curve that a vendor of such a chip has published."""
    return Leakage(
        ref_temp_c=REF_TEMP_C,
        coefficients=(0.04802, 0.00212, -0.00005, 0.000001),
        lowest=0.0,
        highest=10.0,
        sources=dict.fromkeys(("ref_temp_c", "coefficients", "lowest", "highest"), _LIKE),
    )


def memory(freqs: Fact[tuple[int, ...]]) -> Memory:
    """The HiKey 970's, at the clocks that this machine's memory has."""
    sources = {"bandwidth_bytes_per_s": _LIKE, "latency_s": f"{_LIKE}, measured on a Khadas VIM3"}
    return Memory(
        bandwidth_bytes_per_s=10e9,
        latency_s=141e-9,
        freqs_hz=freqs.value,
        sources=sources | ({"freqs_hz": freqs.source} if freqs.value else {}),
    )


def rest_of_board() -> RestOfBoard:
    """Typical of such boards."""
    return RestOfBoard(power_w=2.0, sources={"power_w": f"{_LIKE}; 2 to 3 W are common"})
