"""What the foreground asks of every cluster while training loads the memory as well.

Stalls are lengthened beforehand, the same for every plan: as if all applications ran a little ahead
of their targets (`AHEAD`) and training took a given share of the memory's bandwidth. So one
cluster's table does not depend on what the others do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import MARGIN, Demand
from rm.mapping.memory import HIGHEST_LOAD

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AHEAD = 1.2
"""Applications that share a cluster's clock run so much faster than they must (chosen)."""


@dataclass(frozen=True)
class Needs:
    """K applications, the last of them threads that stay on the clusters `threads`.

    `demand` has the lengthened stalls in it and an idle memory. `active` is per cluster (K, O) the
    activity of a core that only runs this application. Points below `lowest` and above `highest`
    (per cluster) are not allowed. `memory_load` is the share of the bandwidth that they take.
    """

    board: Board
    demand: Demand
    active: tuple[Floats, ...]
    threads: tuple[int, ...]
    lowest: tuple[int, ...]
    highest: tuple[int, ...]
    memory_load: float

    @property
    def movable(self) -> int:
        """How many applications may be moved."""
        return self.demand.count - len(self.threads)


def needs(
    board: Board,
    demand: Demand | None,
    *,
    training_load: float = 0.0,
    threads: Sequence[int] = (),
    lowest_opp: Sequence[int] | None = None,
    highest_opp: Sequence[int] | None = None,
    activity: float = 1.0,
) -> Needs:
    """What is asked for; `training_load` is the share of the bandwidth that training may take.

    `lowest_opp` is per cluster what those need who are not in the demand. `activity` is what the
    programs switch while they do not stall, relative to the board's busy power.
    """
    asked = demand if demand is not None else _nobody(board)
    own = np.minimum(AHEAD * asked.memory, HIGHEST_LOAD)
    load = min(float(own.sum()) + training_load, HIGHEST_LOAD)
    longer = np.maximum(1.0, (1.0 - own) / (1.0 - load))[:, None]
    served, active, least = [], [], []
    sharers = np.arange(asked.count + 1)
    for x, cluster in enumerate(board.clusters):
        busy = asked.busy[x]
        stretch = busy + (1.0 - busy) * longer
        times = asked.served[x] / stretch
        meets = times[:, None, :] >= sharers[None, :, None] * (1.0 + MARGIN)
        opp = np.where(meets.any(axis=2), meets.argmax(axis=2), times.shape[1])
        served.append(times)
        floor = cluster.activity_floor
        active.append(activity * (floor + (1.0 - floor) * busy / stretch))
        least.append(np.maximum(opp, asked.least_opp[x][:, :1]))
    lengthened = replace(
        asked, served=tuple(served), least_opp=tuple(least), memory=np.zeros(asked.count)
    )
    return Needs(
        board,
        lengthened,
        tuple(active),
        tuple(threads),
        _lowest(asked, lowest_opp or board.lowest_opps),
        tuple(board.highest_opps if highest_opp is None else highest_opp),
        min(float(own.sum()), HIGHEST_LOAD),
    )


def _lowest(asked: Demand, others: Sequence[int]) -> tuple[int, ...]:
    """Per cluster the lowest point allowed: the demand says it of a core that nobody is on."""
    bound = [int(points[:, 0].max(initial=0)) for points in asked.least_opp]
    return tuple(map(max, bound, others))


def _nobody(board: Board) -> Demand:
    """The demand of no applications."""
    none = tuple(np.zeros((0, len(cluster.opps))) for cluster in board.clusters)
    least = tuple(np.zeros((0, 1), dtype=np.int64) for _ in board.clusters)
    return Demand(none, none, none, least, np.zeros(0))
