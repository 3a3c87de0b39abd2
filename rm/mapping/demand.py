"""What applications ask of every cluster: the operating point that each needs, alone or sharing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.flat_demand import FlatDemand, flattened

MARGIN = 0.002
"""A target counts as met with so much to spare: what the estimates of speeds are good for where a
program runs steadily (chosen on seeds below 100). More shuts mappings out that just serve."""


SAME_SPEED = 0.01
SAME_TRAFFIC = 0.05
"""Relative differences below which the best mapping is taken to be the same (chosen: counters'
noise over a round). What decides most, the operating points that are needed, must be equal."""


@dataclass(frozen=True)
class Demand:
    """Per cluster, over K applications and O operating points.

    `served` (K, O): how many times its target a core gives the application that has it alone.
    `busy` (K, O): the share of its time in which it does not stall. `l2d_per_s` (K, O): L2 accesses
    per second on a core of its own. `least_opp` (K, K + 1): the lowest operating point at which a
    core that it shares with n in all meets its target, O where none does (n = 0 is not used). All
    of these are for an idle memory. `memory` (K,) is for which share of the time the memory is busy
    with an application that just meets its target.
    """

    served: tuple[NDArray[np.float64], ...]
    busy: tuple[NDArray[np.float64], ...]
    l2d_per_s: tuple[NDArray[np.float64], ...]
    least_opp: tuple[NDArray[np.int64], ...]
    memory: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of applications."""
        return len(self.served[0])

    def resembles(self, other: "Demand") -> bool:
        """Whether nothing is different enough for another mapping to be the best."""
        if self.count != other.count:
            return False
        pairs = zip(self.least_opp, other.least_opp, strict=True)
        if any(mine.tobytes() != theirs.tobytes() for mine, theirs in pairs):
            return False
        off = np.abs(self._speeds_and_traffic - other._speeds_and_traffic)
        return bool((off <= other._tolerance).all())

    @cached_property
    def _speeds_and_traffic(self) -> NDArray[np.float64]:
        """All that may differ a little, in a row."""
        arrays = (*self.served, *self.busy, *self.l2d_per_s, self.memory)
        return np.concatenate([values.ravel() for values in arrays])

    @cached_property
    def _tolerance(self) -> NDArray[np.float64]:
        """By how much that may differ."""
        tolerance = np.abs(self._speeds_and_traffic)
        speeds = sum(values.size for values in (*self.served, *self.busy))
        tolerance[:speeds] *= SAME_SPEED
        tolerance[speeds:] *= SAME_TRAFFIC
        return tolerance

    @cached_property
    def flat(self) -> FlatDemand:
        """The same, the tables of all clusters in one."""
        return flattened(self.served, self.busy, self.l2d_per_s, self.least_opp)

    def first(self, count: int) -> "Demand":
        """The demand of the first so many alone."""
        if count == self.count:
            return self
        return Demand(
            tuple(values[:count] for values in self.served),
            tuple(values[:count] for values in self.busy),
            tuple(values[:count] for values in self.l2d_per_s),
            tuple(values[:count, : count + 1] for values in self.least_opp),
            self.memory[:count],
        )


def demand(
    board: Board,
    *,
    instruction_s: Sequence[NDArray[np.float64]],
    stall_s_per_cycle: NDArray[np.float64] | Sequence[NDArray[np.float64]],
    l2d_per_instruction: NDArray[np.float64],
    target_ips: NDArray[np.float64],
    memory_s: NDArray[np.float64] | float = 0.0,
    lowest_opp: Sequence[int] | None = None,
) -> Demand:
    """The demand of K applications.

    `instruction_s` holds per cluster (K, O) seconds per instruction on a core of its own; the other
    arrays have shape (K,), the stalls may differ by cluster. `memory_s` is how long an instruction
    keeps the memory busy. `lowest_opp` is per cluster what others that cannot be moved need.
    """
    served, busy, l2d, least = [], [], [], []
    targets = target_ips[:, None]
    sharers = _sharers(len(target_ips))
    stalls = stall_s_per_cycle
    if isinstance(stalls, np.ndarray):
        stalls = [stalls] * len(board.clusters)
    for x, cluster in enumerate(board.clusters):
        times = 1.0 / (instruction_s[x] * targets)
        opp = _first_that_serves(times, sharers)
        served.append(times)
        busy.append(1.0 / (1.0 + stalls[x][:, None] * frequencies(cluster.freqs_hz)))
        l2d.append(l2d_per_instruction[:, None] / instruction_s[x])
        least.append(np.maximum(opp, lowest_opp[x]) if lowest_opp and lowest_opp[x] else opp)
    return Demand(tuple(served), tuple(busy), tuple(l2d), tuple(least), memory_s * target_ips)


def _first_that_serves(
    times: NDArray[np.float64], sharers: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The lowest operating point at which a core serves so many, as many as there are if none."""
    count, points = times.shape
    served = np.empty((count, 1, points + 1))
    served[:, 0, :points] = times
    served[:, 0, points] = np.inf
    found: NDArray[np.int64] = (served >= sharers).argmax(axis=2)
    return found


@lru_cache
def _sharers(count: int) -> NDArray[np.float64]:
    """How many times its target a core must give, by how many share it."""
    sharers = np.arange(count + 1, dtype=np.float64)
    return sharers[None, :, None] * np.float64(1.0 + MARGIN)


@lru_cache
def frequencies(freqs_hz: tuple[int, ...]) -> NDArray[np.float64]:
    """A cluster's frequencies (O,) in Hz, to count with."""
    return np.array(freqs_hz, dtype=np.float64)
