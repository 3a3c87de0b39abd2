"""Many mappings beside a demand: what every application has of the core where it is put."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rm.mapping.demand import MARGIN, Demand
from rm.mapping.packing import Mappings

NEVER = 1e-9
"""Whom a core serves less than this of its target counts as never served."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Placed:
    """R mappings, and where their K applications stand in a flat demand.

    `members` (clusters, R, K) says who is on a cluster, `own` (R, K) where each finds what holds
    for its cluster in a table (clusters, R). `core` (R, K) is another number for every core,
    `sharers` how many are on it, each itself included, `share` which part of its time each has, and
    `granted` which counts towards its target (`teams` as in `Mappings`). `number` (R, K) and
    `lowest` are an application's number on its cluster and the place of its lowest operating point.
    """

    members: Flags
    own: Ints
    core: Ints
    sharers: Ints
    share: Floats
    granted: Floats
    teams: tuple[int, ...]
    number: Ints
    lowest: Ints

    def rows(self, at: Ints) -> "Placed":
        """Some of the mappings."""
        members = self.members[:, at]
        own = members.argmax(axis=0) * len(at) + np.arange(len(at))[:, None]
        shares = self.sharers[at], self.share[at], self.granted[at]
        return Placed(
            members, own, self.core[at], *shares, self.teams, self.number[at], self.lowest[at]
        )

    def at(self, opp: Ints) -> Ints:
        """Where all stand (R, K) in a flat demand at operating points (clusters, R)."""
        place: Ints = self.lowest + opp.take(self.own)
        return place

    def highest(self, values: NDArray[Any]) -> NDArray[Any]:
        """Per cluster (clusters, R) the highest of its applications' values (R, K), or else 0."""
        found: NDArray[Any] = np.maximum.reduce(self.members * values, axis=2, initial=0)
        return found

    def least_opp(self, demand: Demand) -> Ints:
        """The lowest operating point (R, K) that each needs if the memory is idle."""
        found = demand.flat.least_opp.take(self.number * (demand.count + 1) + self.sharers)
        for k in range(demand.count - sum(self.teams), demand.count):
            self._let_threads_help(demand, found, k)
        return found

    def _let_threads_help(self, demand: Demand, least: Ints, k: int) -> None:
        """Work out that of a thread anew, by what is granted."""
        for x, member in enumerate(self.members[:, :, k]):
            meets = demand.served[x][k] * self.granted[:, k, None] >= 1.0 + MARGIN
            opp = np.where(meets.any(axis=1), meets.argmax(axis=1), meets.shape[1])
            lowest = demand.least_opp[x][k, 0]
            least[:, k] = np.where(member, np.maximum(opp, lowest), least[:, k])


def place(demand: Demand, mappings: Mappings) -> Placed:
    """Mappings (R, K) of the applications of a demand."""
    cluster, count = mappings.cluster, demand.count
    rows = np.arange(len(cluster))[:, None]
    members = cluster == np.arange(len(demand.served))[:, None, None]
    own = cluster * len(cluster) + rows
    core = own * (1 + mappings.group.max(initial=0)) + mappings.group
    sharers = np.bincount(core.ravel()).take(core)
    share = 1.0 / sharers
    number = cluster * count + np.arange(count)
    return Placed(
        members,
        own,
        core,
        sharers,
        share,
        _granted(share, mappings.teams),
        mappings.teams,
        number,
        demand.flat.first.take(number),
    )


def _granted(share: Floats, teams: Sequence[int]) -> Floats:
    """The share (R, K) that counts towards the target: of threads the mean of their application."""
    if not teams:
        return share
    granted, last = share.copy(), share.shape[1]
    for threads in reversed(teams):
        own = slice(last - threads, last)
        granted[:, own] = share[:, own].mean(axis=1, keepdims=True)
        last -= threads
    return granted
