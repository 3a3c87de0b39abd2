"""Search over joint mappings, with a network to say which of them settles coolest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import Demand
from rm.mapping.divisions import divisions
from rm.mapping.neighbours import neighbours
from rm.mapping.packing import Mappings, pack
from rm.mapping.proposals import proposals
from rm.mapping.rows import Described, describe
from rm.mapping.threads import with_threads

Heat = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Feature rows (R, F) in, heat per row (R,) in kelvin out."""

SHORTFALL_STEP = 0.01
"""Shortfalls are compared in steps of a hundredth of a target: estimates are no finer."""


@dataclass(frozen=True)
class Settling:
    """Who rates again what `Heat` cannot tell apart.

    `heat` is exact. As long as the other is off by half of `within_k` at most, the choice is the
    one that `heat` alone would have made.
    """

    heat: Heat
    within_k: float


@dataclass(frozen=True)
class Rated:
    """One mapping: `cluster` and `group` (K,), with the shortfall and the heat it leads to."""

    cluster: tuple[int, ...]
    group: tuple[int, ...]
    shortfall: float
    heat_k: float

    @property
    def rank(self) -> tuple[float, float]:
        """Targets first, then heat; smaller is better."""
        return round(self.shortfall / SHORTFALL_STEP) * SHORTFALL_STEP, self.heat_k


def best_of(
    board: Board,
    demand: Demand,
    mappings: Mappings,
    heat: Heat,
    *,
    threads: Sequence[int] = (),
    settling: Settling | None = None,
) -> Rated:
    """The best of some mappings.

    `threads` are the clusters of threads that stay there, the last ones of the demand, whatever the
    mapping of the others (`rm.mapping.threads`). `settling` is for a `heat` that is rounded.
    """
    return _best(board, demand, mappings, heat, threads, settling)[1]


def search(
    board: Board,
    demand: Demand,
    start: Mappings,
    heat: Heat,
    *,
    steps: int,
    threads: Sequence[int] = (),
    settling: Settling | None = None,
) -> tuple[Rated, Rated]:
    """The mapping `start`, of one row, and the best one found in so many steps from it.

    A step rates a batch: the mapping that it starts from, and those that divide two clusters'
    applications anew; where none of these serves all, packings of its neighbours and of other
    divisions. The steps end where none is better, or where another one would rate the same.
    `threads` and `settling` as in `best_of`.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more (got {steps})")
    movable = demand.first(start.cluster.shape[1])
    now, best = None, None
    around = start
    for _ in range(steps):
        mappings = proposals(board, movable, around)
        divided = len(mappings) > 1
        if not divided:
            mappings = _near(board, movable, around)
        first, found = _best(board, demand, mappings, heat, threads, settling)
        now = now or first
        if best is not None and not found.rank < best.rank:
            break
        best = found
        if divided and len(board.clusters) <= 2:
            break
        around = Mappings(np.array([best.cluster]), np.array([best.group]))
    assert now is not None
    assert best is not None
    return now, best


def _near(board: Board, demand: Demand, around: Mappings) -> Mappings:
    """A mapping (1, K), and all packings of what is one step from it or divides by an order."""
    near = neighbours(around.cluster[0].tolist(), len(board.clusters))
    packed = pack(board, demand, _distinct([near, divisions(demand)]))
    return Mappings(
        np.concatenate([around.cluster, packed.cluster]),
        np.concatenate([around.group, packed.group]),
    )


def _distinct(assignments: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Each once, in the order in which they come."""
    # Hashed, not sorted as np.unique does it: a tenth of the time.
    every = np.concatenate(assignments)
    return np.array(list(dict.fromkeys(map(tuple, every.tolist()))), dtype=np.int64)


def _best(
    board: Board,
    demand: Demand,
    mappings: Mappings,
    heat: Heat,
    threads: Sequence[int],
    settling: Settling | None,
) -> tuple[Rated, Rated]:
    """The first of the mappings, and the best of all."""
    described = describe(board, demand, with_threads(board, mappings, threads))
    heats = heat(described.features)
    steps = np.rint(described.shortfall / SHORTFALL_STEP)
    best = _coolest(heats, steps)
    if settling is not None:
        doubtful = (steps == steps[best]) & (heats <= heats[best] + settling.within_k)
        doubtful[0] = True
        heats = heats.copy()
        heats[doubtful] = settling.heat(described.features[doubtful])
        best = _coolest(heats, steps)
    return _rated(mappings, described, heats, 0), _rated(mappings, described, heats, best)


def _coolest(heats: NDArray[np.float32], steps: NDArray[np.float64]) -> int:
    """Which one comes first: targets, then heat."""
    return int(np.where(steps == steps.min(), heats, np.inf).argmin())


def _rated(mappings: Mappings, described: Described, heats: NDArray[np.float32], at: int) -> Rated:
    return Rated(
        tuple(mappings.cluster[at].tolist()),
        tuple(mappings.group[at].tolist()),
        float(described.shortfall[at]),
        float(heats[at]),
    )
