"""A floorplan's network as the thermal section of a board file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from platforms.board import (
    AmbientShare,
    Board,
    CoolingSetup,
    Sensor,
    Thermal,
    ThermalLink,
    ThermalNode,
)
from platforms.errors import InvalidInput
from platforms.floorplan.block_network import ZERO_CELSIUS_K, BlockNetwork

COOLING = "package"
"""The name of the cooling setup that a package's convection makes."""


@dataclass(frozen=True)
class ThermalPart:
    """What a floorplan replaces in a board: its network, and how the package is cooled."""

    thermal: Thermal
    cooling: CoolingSetup


def core_blocks(network: BlockNetwork, wanted: Sequence[str] | None) -> dict[str, int]:
    """Which block is which core: `wanted` in the cores' order, or else blocks ``core0``, ``core1``.

    Raises InvalidInput where a name is no block or comes twice, or the cores' numbers have gaps.
    """
    names = network.names[: network.blocks]
    if wanted is None:
        cores = {
            name: int(name[4:])
            for name in names
            if name.lower().startswith("core") and name[4:].isdecimal()
        }
        if sorted(cores.values()) != list(range(len(cores))):
            raise InvalidInput(
                f"blocks core0, core1, ... must be numbered without a gap (got {sorted(cores)}); "
                "name the cores' blocks with --cores"
            )
        return cores
    known = {name.lower(): name for name in names}
    for name in wanted:
        if name.lower() not in known:
            raise InvalidInput(f"--cores must name blocks of the floorplan (got {name!r})")
    if len({name.lower() for name in wanted}) != len(wanted):
        raise InvalidInput(f"--cores must name each block once (got {', '.join(wanted)})")
    return {known[name.lower()]: core for core, name in enumerate(wanted)}


def shared_block(network: BlockNetwork, cores: Mapping[str, int], wanted: str | None) -> str:
    """The block that the clusters' shared power heats: `wanted`, or the largest that is no core.

    Raises InvalidInput where `wanted` is no block.
    """
    names = network.names[: network.blocks]
    if wanted is not None:
        for name in names:
            if name.lower() == wanted.lower():
                return name
        raise InvalidInput(f"--cluster-block must name a block of the floorplan (got {wanted!r})")
    # Silicon is as thick everywhere: the largest capacity is the largest block
    capacity = {name: float(network.capacity[i]) for i, name in enumerate(names)}
    others = {name: c for name, c in capacity.items() if name not in cores} or capacity
    return max(others, key=lambda name: others[name])


def thermal_part(
    network: BlockNetwork, cores: Mapping[str, int], cluster_block: str, origin: str
) -> ThermalPart:
    """The board's sections for a network; `origin` says where its geometry comes from."""
    massive = network.without_massless()
    nodes = tuple(
        ThermalNode(name=name, capacity_j_per_k=_rounded(c), core=cores.get(name))
        for name, c in zip(massive.names, massive.capacity, strict=True)
    )
    links = tuple(
        ThermalLink(
            between=(massive.names[a], massive.names[b]),
            conductance_w_per_k=_rounded(massive.links[a, b]),
        )
        for a, b in np.argwhere(np.triu(massive.links) > 0)
    )
    total = float(massive.to_air.sum())
    shares = tuple(
        AmbientShare(node=massive.names[i], share=_rounded(massive.to_air[i] / total))
        for i in np.flatnonzero(massive.to_air > 0)
    )
    computed = f"derived: block model of {origin}"
    thermal = Thermal(
        nodes=nodes,
        links=links,
        ambient_node=max(shares, key=lambda part: part.share).node,
        ambient_shares=shares,
        cluster_node=cluster_block,
        sources={
            "nodes.capacity_j_per_k": computed,
            "links.between": computed,
            "links.conductance_w_per_k": computed,
            "ambient_node": "derived: the part of the sink with the largest share",
            "ambient_shares.node": computed,
            "ambient_shares.share": f"derived: by area of the sink, {origin}",
            "cluster_node": f"assumed: the clusters' shared power is all in {cluster_block}",
        },
    )
    cooling = CoolingSetup(
        name=COOLING,
        conductance_w_per_k=_rounded(total),
        ambient_c=_rounded(network.ambient_k - ZERO_CELSIUS_K),
        sources={
            "conductance_w_per_k": f"derived: convection and the sink's thickness, {origin}",
            "ambient_c": f"derived: ambient of {origin}",
        },
    )
    return ThermalPart(thermal, cooling)


def _rounded(value: float) -> float:
    """Twelve digits: more say nothing, and shares still sum to 1."""
    return float(f"{value:.12g}")


def with_thermal_part(board: Board, part: ThermalPart, name: str) -> Board:
    """`board` with the network of a floorplan. Its sensors look at the blocks of the same cores.

    Its other cooling setups stay, behind the package's own. Raises InvalidInput where the cores are
    not the board's, or a sensor looks at a node that has no counterpart.
    """
    mapped = sorted(node.core for node in part.thermal.nodes if node.core is not None)
    if mapped != list(range(board.core_count)):
        raise InvalidInput(
            f"the floorplan must have a block for each of the {board.core_count} cores of "
            f"{board.name} (got cores {mapped}); name them in the cores' order with --cores"
        )
    others = tuple(setup for setup in board.cooling if setup.name != COOLING)
    return msgspec.structs.replace(
        board,
        name=name,
        title=f"{board.title}, heat by {name}",
        thermal=part.thermal,
        cooling=(part.cooling, *others),
        sensors=tuple(_moved(sensor, board.thermal, part.thermal) for sensor in board.sensors),
    )


def _moved(sensor: Sensor, old: Thermal, new: Thermal) -> Sensor:
    core_node = {node.core: node.name for node in new.nodes if node.core is not None}
    counterpart = {
        node.name: core_node[node.core] for node in old.nodes if node.core is not None
    } | {old.cluster_node: new.cluster_node, old.ambient_node: new.ambient_node}
    weights: dict[str, float] = {}
    for node, weight in sensor.weights.items():
        if node not in counterpart:
            raise InvalidInput(
                f"sensors.{sensor.name}.weights must name cores, the node of the clusters' shared "
                f"power or that of the air, for them to be found in the floorplan (got {node!r})"
            )
        place = counterpart[node]
        weights[place] = weights.get(place, 0.0) + weight
    return msgspec.structs.replace(sensor, weights=weights)
