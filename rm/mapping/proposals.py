"""Mappings that are worth asking the network about."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping import sharing
from rm.mapping.demand import Demand
from rm.mapping.filling import filled
from rm.mapping.front import front
from rm.mapping.packing import Mappings
from rm.mapping.seatings import MOST_APPLICATIONS


def proposals(board: Board, demand: Demand, around: Mappings) -> Mappings:
    """The mapping `around` (1, K), and those that divide the applications of two clusters anew.

    All meet the targets that can be met, and none undercuts another one; with two clusters they do
    not depend on `around`, but for ties. None but `around` where such a division does not exist, or
    has too many applications to choose from.
    """
    found = [around]
    borne = sharing.bears(demand)
    for here, there in _pairs(board):
        who = ((around.cluster[0] == here) | (around.cluster[0] == there)).nonzero()[0]
        if 0 < len(who) <= MOST_APPLICATIONS:
            found.append(_divided(board, demand, around, borne, here, there, who))
    cluster = np.concatenate([one.cluster for one in found])
    return Mappings(cluster, np.concatenate([one.group for one in found]))


def _divided(
    board: Board,
    demand: Demand,
    around: Mappings,
    borne: Sequence[NDArray[np.float64]],
    here: int,
    there: int,
    who: NDArray[np.int64],
) -> Mappings:
    """The mappings that divide those `who` are on two clusters between these."""
    lowest = [int(demand.least_opp[x][0, 0]) for x in (here, there)]
    bears = [borne[x][low:] for x, low in zip((here, there), lowest, strict=True)]
    if len(who) < demand.count:
        bears = [of[:, who] for of in bears]
    cores = len(board.clusters[here].cores), len(board.clusters[there].cores)
    found = front(bears[0], bears[1], cores, around.cluster[0, who] == there)
    opps = found.here_opp, found.there_opp
    most = [of[opp].astype(np.int64) for of, opp in zip(bears, opps, strict=True)]
    new = Mappings(np.where(found.there, there, here), filled(found.there, most, max(cores)))
    if len(who) == demand.count:
        return new
    rows = len(new)
    cluster, group = around.cluster.repeat(rows, axis=0), around.group.repeat(rows, axis=0)
    cluster[:, who], group[:, who] = new.cluster, new.group
    return Mappings(cluster, group)


def _pairs(board: Board) -> Iterator[tuple[int, int]]:
    """Every two clusters, the one with fewer cores last, or else the stronger one."""
    order = sorted(
        board.clusters_by_capacity, key=lambda x: len(board.clusters[x].cores), reverse=True
    )
    return combinations(order, 2)
