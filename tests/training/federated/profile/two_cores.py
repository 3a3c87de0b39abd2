"""A board of two single cores, out of the HiKey 970's: any machine has cores 0 and 1 ... mostly."""

import os

import msgspec

from platforms.board import Board, Cluster
from platforms.board_file import load_board


def two_cores() -> Board:
    """One little core and one big core, as those of this machine that may be used."""
    whole = load_board("hikey970")
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    little, big = whole.clusters
    kept = {little.cores[0]: first, big.cores[0]: last}
    nodes = tuple(
        msgspec.structs.replace(node, core=kept.get(node.core)) if node.core in kept else node
        for node in whole.thermal.nodes
        if node.core is None or node.core in kept
    )
    names = {node.name for node in nodes}
    links = tuple(link for link in whole.thermal.links if set(link.between) <= names)
    thermal = msgspec.structs.replace(whole.thermal, nodes=nodes, links=links)
    hottest = next(node.name for node in nodes if node.core == last)
    sensors = tuple(msgspec.structs.replace(s, weights={hottest: 1.0}) for s in whole.sensors)
    return msgspec.structs.replace(
        whole,
        name="two-cores",
        clusters=(_single(little, first), _single(big, last)),
        thermal=thermal,
        sensors=sensors,
    )


def _single(cluster: Cluster, core: int) -> Cluster:
    return msgspec.structs.replace(cluster, cores=(core,))
