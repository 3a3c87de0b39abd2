"""Local search over joint mappings, with a network to say which of them settles coolest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import Demand
from rm.mapping.neighbours import neighbours
from rm.mapping.packing import Mappings, pack
from rm.mapping.rows import describe
from rm.mapping.threads import with_threads

Heat = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Feature rows (R, F) in, heat per row (R,) in kelvin out."""

SHORTFALL_STEP = 0.01
"""Shortfalls are compared in steps of a hundredth of a target: estimates are no finer."""


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
    board: Board, demand: Demand, mappings: Mappings, heat: Heat, *, threads: Sequence[int] = ()
) -> Rated:
    """The best of some mappings.

    `threads` are the clusters of threads that stay there, the last ones of the demand, whatever the
    mapping of the others (`rm.mapping.threads`).
    """
    described = describe(board, demand, with_threads(board, mappings, threads))
    heats = heat(described.features)
    steps = np.round(described.shortfall / SHORTFALL_STEP)
    at = int(np.lexsort((heats, steps))[0])
    return Rated(
        tuple(mappings.cluster[at].tolist()),
        tuple(mappings.group[at].tolist()),
        float(described.shortfall[at]),
        float(heats[at]),
    )


def search(
    board: Board,
    demand: Demand,
    start: Sequence[int],
    heat: Heat,
    *,
    steps: int,
    threads: Sequence[int] = (),
) -> Rated:
    """The best mapping found in so many steps from the assignment `start` (K,) to clusters.

    Every step rates all packings of all neighbours in one batch, and goes to the best. `threads` as
    in `best_of`.
    """
    best: Rated | None = None
    movable = demand.first(len(start))
    for _ in range(steps):
        around = pack(board, movable, neighbours(start, len(board.clusters)))
        found = best_of(board, demand, around, heat, threads=threads)
        if best is not None and not found.rank < best.rank:
            break
        best, start = found, found.cluster
    if best is None:
        raise ValueError(f"steps must be 1 or more (got {steps})")
    return best
