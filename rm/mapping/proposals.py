"""Mappings that are worth asking the network about."""

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping import sharing
from rm.mapping.demand import Demand
from rm.mapping.front import front
from rm.mapping.packing import Mappings
from rm.mapping.seatings import MOST_APPLICATIONS


def proposals(board: Board, demand: Demand, around: Mappings) -> Mappings:
    """The mapping `around` (1, K), and those that divide the applications of two clusters anew.

    All meet the targets that can be met, and none undercuts another one; with two clusters they do
    not depend on `around`, but for ties. None but `around` where such a division does not exist, or
    has too many applications to choose from.
    """
    cluster, group = around.cluster.tolist(), around.group.tolist()
    borne = sharing.bears(demand)
    cores = [_Cores(on_cluster) for on_cluster in borne]
    for here, there in _pairs(board):
        who = [k for k, x in enumerate(cluster[0]) if x in (here, there)]
        if not 0 < len(who) <= MOST_APPLICATIONS:
            continue
        lowest = [int(demand.least_opp[x][0, 0]) for x in (here, there)]
        found = front(
            borne[here][lowest[0] :, who],
            borne[there][lowest[1] :, who],
            (len(board.clusters[here].cores), len(board.clusters[there].cores)),
            np.array([cluster[0][k] == there for k in who]),
        )
        opps = (found.here_opp + lowest[0]).tolist(), (found.there_opp + lowest[1]).tolist()
        for goes, here_opp, there_opp in zip(found.there.tolist(), *opps, strict=True):
            row, packed = cluster[0].copy(), group[0].copy()
            for k, there_too in zip(who, goes, strict=True):
                row[k] = there if there_too else here
            cores[here].fill(packed, here_opp, {k for k in who if row[k] == here})
            cores[there].fill(packed, there_opp, {k for k in who if row[k] == there})
            cluster.append(row)
            group.append(packed)
    return Mappings(np.array(cluster), np.array(group))


def _pairs(board: Board) -> Iterator[tuple[int, int]]:
    """Every two clusters, the one with fewer cores last, or else the stronger one."""
    order = sorted(
        board.clusters_by_capacity, key=lambda x: len(board.clusters[x].cores), reverse=True
    )
    return combinations(order, 2)


class _Cores:
    """The cores of a cluster, filled one after another, the most demanding application first."""

    def __init__(self, bears: NDArray[np.float64]) -> None:
        """`bears` (O, K): with how many an application can share a core."""
        self._bears = bears
        self._orders: dict[int, list[tuple[int, int]]] = {}

    def fill(self, group: list[int], opp: int, members: Iterable[int]) -> None:
        """Write down in which group each member is, packed for an operating point."""
        core, room = -1, 0
        for k, bears in self._order(opp):
            if k in members:
                if room == 0:
                    core, room = core + 1, max(bears, 1)
                group[k] = core
                room -= 1

    def _order(self, opp: int) -> list[tuple[int, int]]:
        """All applications, and with how many each shares, those first that bear the fewest."""
        if opp not in self._orders:
            bears = self._bears[opp].astype(np.int64).tolist()
            self._orders[opp] = sorted(enumerate(bears), key=lambda one: one[1])
        return self._orders[opp]
