"""One additive quantity that every group of applications brings: its cost, misses, or load.

From what the groups bring at least, a layer tells what any set of applications brings at least: on
so many cores of a cluster, on a cluster, on all clusters from one on.
"""

import math
from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.hardware import Flags, Floats, Hardware, Ints
from oracle.joint.partitions import by_cores, joined, joined_at, served


class Layer(NamedTuple):
    """Axes: x clusters, o points, m cores in use, a sets of applications as bit masks.

    `groups` (x, o, a): set a as one group. `parts` (x, o, m, a): set a in m groups. `served` (x, o,
    a): in any number of groups, cores and cluster paid where that costs something. `tails` (row,
    a): on the clusters from x on, at the points that make up the row; `known` (row) says which rows
    are filled, `first` (x) is the first row of a cluster. The last row is that of no cluster.
    """

    groups: Floats
    parts: Floats
    served: Floats
    tails: Floats
    known: Flags
    first: Ints


def empty_layer(board: Hardware, sets: int) -> Layer:
    """Room for so many sets; none: the layer is not used."""
    clusters, points = board.dynamic_w.shape
    first = np.zeros(clusters + 1, dtype=np.int64)
    rows, tails = 0, 1
    for x in range(clusters - 1, 0, -1):
        tails *= int(board.points[x])
        first[x] = rows
        rows += tails
    first[clusters] = rows
    return Layer(
        np.empty((clusters, points, sets)),
        np.empty((clusters, points, board.cores.shape[1] + 1, sets)),
        np.empty((clusters, points, sets)),
        np.empty((rows + 1, sets)),
        np.zeros(rows + 1, dtype=np.bool_),
        first,
    )


@compiled
def in_use(layer: Layer) -> bool:
    """Whether the layer has room for anything."""
    return layer.groups.size > 0


@compiled
def fill_parts(layer: Layer, board: Hardware, x: int, o: int, most: int, sizes: Ints) -> None:
    """Fill `parts` from `groups`; `most` is the largest group, `sizes` the number in every set."""
    by_cores(layer.groups[x, o], board.sizes[x], most, sizes, layer.parts[x, o])


@compiled
def fill_served(layer: Layer, board: Hardware, core_cost: Floats, cluster_cost: Floats) -> None:
    """Fill `served` from `parts`, costs by (x, o); no tail is known any more.

    A cluster that serves nobody stands at its lowest point: at which one makes no difference.
    """
    for x in range(len(board.sizes)):
        for o in range(board.points[x]):
            nobody = 0.0 if o == 0 else math.inf
            cores, parts, into = board.sizes[x], layer.parts[x, o], layer.served[x, o]
            served(parts, cores, core_cost[x, o], cluster_cost[x, o], nobody, into)
    last = len(layer.tails) - 1
    for row in range(last):
        layer.known[row] = False
    for a in range(layer.tails.shape[1]):
        layer.tails[last, a] = math.inf if a else 0.0


@compiled
def fill_tails(layer: Layer, rows: Ints, board: Hardware, opps: Ints) -> None:
    """Make the rows of these points known: ``rows[x]`` for the clusters from x on."""
    clusters = len(board.sizes)
    for x in range(clusters - 1, 0, -1):
        row = rows[x]
        if layer.known[row]:
            continue
        layer.known[row] = True
        own, into = layer.served[x, opps[x]], layer.tails[row]
        if x == clusters - 1:
            for a in range(len(own)):
                into[a] = own[a]
        else:
            joined(own, layer.tails[rows[x + 1]], into)


@compiled
def tail_rows(layer: Layer, board: Hardware, opps: Ints, rows: Ints) -> None:
    """The row of the clusters from x on, at these points."""
    clusters = len(board.sizes)
    rows[clusters] = layer.first[clusters]
    number, span = 0, 1
    for x in range(clusters - 1, 0, -1):
        number += span * opps[x]
        span *= board.points[x]
        rows[x] = layer.first[x] + number


@compiled
def everybody(layer: Layer, rows: Ints, opps: Ints) -> float:
    """What all applications together bring at least, at these points."""
    return joined_at(layer.served[0, opps[0]], layer.tails[rows[1]], layer.served.shape[2] - 1)
