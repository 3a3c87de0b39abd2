"""A board with fewer cores: what the same silicon would be with some of them left out."""

from collections.abc import Sequence
from itertools import count

from msgspec.structs import replace

from platforms.board import Board, Cluster, Sensor, Thermal
from platforms.errors import InvalidInput


def smaller_board(board: Board, cores_per_cluster: Sequence[int]) -> Board:
    """The board with only the first so many cores of each cluster, renumbered from 0.

    The thermal nodes of the others go, with their links; sensors weigh what is left of their nodes.
    Operating points, shared power, memory and cooling stay as they are. Raises InvalidInput for a
    number of cores that a cluster does not have, and where a sensor would see nothing.
    """
    _check(board, cores_per_cluster)
    pairs = zip(board.clusters, cores_per_cluster, strict=True)
    kept = [cluster.cores[:cores] for cluster, cores in pairs]
    numbers = dict(zip(sorted(core for cores in kept for core in cores), count(), strict=False))
    thermal = _thermal(board.thermal, numbers)
    names = {node.name for node in thermal.nodes}
    return replace(
        board,
        name=f"{board.name}-{'-'.join(map(str, cores_per_cluster))}",
        title=f"{board.title} with {'+'.join(map(str, cores_per_cluster))} cores",
        clusters=tuple(_cluster(cluster, numbers) for cluster in board.clusters),
        thermal=thermal,
        sensors=tuple(_sensor(sensor, names) for sensor in board.sensors),
    )


def _check(board: Board, cores_per_cluster: Sequence[int]) -> None:
    has = [len(cluster.cores) for cluster in board.clusters]
    if len(cores_per_cluster) != len(has) or not all(
        1 <= cores <= most for cores, most in zip(cores_per_cluster, has, strict=True)
    ):
        raise InvalidInput(
            f"cores_per_cluster must keep 1 to {has} cores of the clusters of {board.name} "
            f"(got {list(cores_per_cluster)})"
        )


def _cluster(cluster: Cluster, numbers: dict[int, int]) -> Cluster:
    return replace(cluster, cores=tuple(numbers[core] for core in cluster.cores if core in numbers))


def _thermal(thermal: Thermal, numbers: dict[int, int]) -> Thermal:
    nodes = tuple(
        node if node.core is None else replace(node, core=numbers[node.core])
        for node in thermal.nodes
        if node.core is None or node.core in numbers
    )
    names = {node.name for node in nodes}
    links = tuple(link for link in thermal.links if set(link.between) <= names)
    return replace(thermal, nodes=nodes, links=links)


def _sensor(sensor: Sensor, names: set[str]) -> Sensor:
    left = {name: weight for name, weight in sensor.weights.items() if name in names}
    if not left:
        raise InvalidInput(
            f"cores_per_cluster must keep a node of sensor {sensor.name} (got none of "
            f"{', '.join(sensor.weights)})"
        )
    total = sum(left.values())
    return replace(sensor, weights={name: weight / total for name, weight in left.items()})
