"""What applications ask of every cluster: the operating point that each needs, alone or sharing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board

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
        pairs = zip(self.least_opp, other.least_opp, strict=True)
        return self.count == other.count and (
            all(np.array_equal(mine, theirs) for mine, theirs in pairs)
            and _all_close(self.served, other.served, SAME_SPEED)
            and _all_close(self.busy, other.busy, SAME_SPEED)
            and _all_close(self.l2d_per_s, other.l2d_per_s, SAME_TRAFFIC)
            and _all_close([self.memory], [other.memory], SAME_TRAFFIC)
        )

    def first(self, count: int) -> "Demand":
        """The demand of the first so many alone."""
        return Demand(
            tuple(values[:count] for values in self.served),
            tuple(values[:count] for values in self.busy),
            tuple(values[:count] for values in self.l2d_per_s),
            tuple(values[:count, : count + 1] for values in self.least_opp),
            self.memory[:count],
        )


def _all_close(
    mine: Sequence[NDArray[np.float64]], theirs: Sequence[NDArray[np.float64]], share: float
) -> bool:
    return all(
        bool((np.abs(a - b) <= share * np.abs(b)).all()) for a, b in zip(mine, theirs, strict=True)
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
    sharers = np.arange(len(target_ips) + 1)
    stalls = np.broadcast_to(stall_s_per_cycle, (len(board.clusters), len(target_ips)))
    for x, cluster in enumerate(board.clusters):
        times = 1.0 / (instruction_s[x] * target_ips[:, None])
        freqs_hz = np.array(cluster.freqs_hz, dtype=np.float64)
        meets = times[:, None, :] >= sharers[None, :, None] * (1.0 + MARGIN)
        opp = np.where(meets.any(axis=2), meets.argmax(axis=2), len(freqs_hz))
        served.append(times)
        busy.append(1.0 / (1.0 + stalls[x][:, None] * freqs_hz))
        l2d.append(l2d_per_instruction[:, None] / instruction_s[x])
        least.append(np.maximum(opp, lowest_opp[x] if lowest_opp is not None else 0))
    return Demand(tuple(served), tuple(busy), tuple(l2d), tuple(least), memory_s * target_ips)
