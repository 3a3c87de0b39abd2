"""Ways to put the applications of a cluster on its cores: few cores at a high clock, or many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import MARGIN, Demand


@dataclass(frozen=True)
class Mappings:
    """R mappings of K applications: `cluster` (R, K) and `group` (R, K), both int64.

    A group is the applications that share a core; groups of a cluster count from 0. Which core of
    the cluster a group gets is not said: they are alike.

    `teams` says that the last ones are threads, and of how many each application is: what counts
    of these is the sum.
    """

    cluster: NDArray[np.int64]
    group: NDArray[np.int64]
    teams: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Number of mappings."""
        return len(self.cluster)

    def and_then(self, others: "Mappings") -> "Mappings":
        """These and, after them, others of the same applications."""
        cluster = np.concatenate([self.cluster, others.cluster])
        return Mappings(cluster, np.concatenate([self.group, others.group]), self.teams)

    def rows(self, at: NDArray[np.int64]) -> "Mappings":
        """Some of them."""
        return Mappings(self.cluster[at], self.group[at], self.teams)


def pack(board: Board, demand: Demand, assignments: NDArray[np.int64]) -> Mappings:
    """All packings of assignments (B, K) of applications to clusters.

    For every cluster and number of cores the one that needs the lowest operating point; the
    clusters' packings are combined with each other. Where a cluster cannot serve all that are
    assigned to it, they are spread evenly over its cores.
    """
    packed = [_packed(board, demand, assignments == x, x) for x in range(len(board.clusters))]
    clusters, groups = [], []
    for choice in np.ndindex(*(valid.shape[1] for valid, _ in packed)):
        chosen = np.ones(len(assignments), dtype=bool)
        group = np.zeros_like(assignments)
        for x, (at, (valid, grouped)) in enumerate(zip(choice, packed, strict=True)):
            chosen &= valid[:, at]
            group = np.where(assignments == x, grouped[:, at], group)
        clusters.append(assignments[chosen])
        groups.append(group[chosen])
    return Mappings(np.concatenate(clusters), np.concatenate(groups))


def _packed(
    board: Board, demand: Demand, members: NDArray[np.bool_], x: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Of one cluster: which numbers of cores are possible (B, N), and the groups then (B, N, K)."""
    cores = len(board.clusters[x].cores)
    used, group, served = first_fit(demand, members, x)
    rows, points = np.arange(len(members)), np.arange(used.shape[1])
    possible: NDArray[np.bool_] = np.zeros((len(members), cores), dtype=bool)
    groups: list[NDArray[np.int64]] = []
    for number in range(1, cores + 1):
        fits = served & (used <= number)
        point = np.where(fits, points, used.shape[1]).min(axis=1)
        at = np.minimum(point, used.shape[1] - 1)
        exactly = np.maximum(used[rows, at], 1) == number
        possible[:, number - 1] = (point < used.shape[1]) & exactly
        groups.append(group[rows, at])
    stuck = np.flatnonzero(~possible.any(axis=1))
    possible[stuck, -1] = True
    groups[-1][stuck] = _spread(demand, members[stuck], x, cores)
    return possible, np.stack(groups, axis=1)


def first_fit(
    demand: Demand, members: NDArray[np.bool_], x: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Fill core after core at every operating point, the most demanding applications first.

    A core takes as many as its most demanding one bears. Returns the cores used (B, O), the group
    of every application (B, O, K), and whether each application is served at all (B, O).
    """
    served = demand.served[x]
    most = np.floor(np.minimum(served / (1.0 + MARGIN), demand.count)).astype(np.int64)
    points = np.arange(served.shape[1])
    shape = (len(members), len(points))
    used, room = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    group = np.zeros((*shape, demand.count), dtype=np.int64)
    possible: NDArray[np.bool_] = np.ones(shape, dtype=bool)
    for k in np.argsort(served, axis=0, kind="stable"):  # k (O,): the order depends on the clock
        member = members[:, k]
        bears = most[k, points]
        possible &= ~member | (bears > 0)
        fresh = member & (room <= 0)
        used += fresh
        room = np.where(fresh, bears, room) - member
        group[:, points, k] = used - 1
    return used, group, possible


def _spread(demand: Demand, members: NDArray[np.bool_], x: int, cores: int) -> NDArray[np.int64]:
    """Groups (B, K) that deal the members out over all cores, the most demanding first."""
    order = np.argsort(demand.served[x][:, -1], kind="stable")
    turn = np.cumsum(members[:, order], axis=1) - 1
    group = np.zeros_like(turn)
    group[:, order] = np.maximum(turn, 0) % cores
    return group


def groups_of_cores(board: Board, cores: Sequence[int]) -> Mappings:
    """The mapping of applications that stand on these cores (K,), as it is now."""
    owner = board.cluster_of_core
    places = [board.clusters[owner[core]].cores.index(core) for core in cores]
    homes = np.array([[owner[core] for core in cores]], dtype=np.int64)
    return Mappings(homes, np.array([places], dtype=np.int64))
