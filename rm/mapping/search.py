"""Local search over joint mappings, with a network to say which of them settles coolest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import Demand
from rm.mapping.divisions import divisions
from rm.mapping.neighbours import neighbours
from rm.mapping.packing import Mappings, pack
from rm.mapping.rows import describe
from rm.mapping.threads import with_threads

Heat = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Feature rows (R, F) in, heat per row (R,) in kelvin out."""

SHORTFALL_STEP = 0.01
"""Shortfalls are compared in steps of a hundredth of a target: estimates are no finer."""

BEAM = 8
"""So many assignments are followed at a time: one alone gets stuck (chosen)."""


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
    return _best(board, demand, mappings, heat, threads, count=1)[0]


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

    The first step rates all packings of its neighbours, and of divisions that ask for no start;
    every other one those of the neighbours of the best assignments so far, in one batch, until none
    is better. `threads` as in `best_of`.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more (got {steps})")
    movable = demand.first(len(start))
    clusters = len(board.clusters)
    around = [neighbours(start, clusters), divisions(movable)]
    best: Rated | None = None
    for _ in range(steps):
        mappings = pack(board, movable, _distinct(around))
        found = _best(board, demand, mappings, heat, threads, count=BEAM)
        if best is not None and not found[0].rank < best.rank:
            break
        best = found[0]
        around = [neighbours(rated.cluster, clusters) for rated in found]
    assert best is not None
    return best


def _distinct(assignments: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Each once, in the order in which they come."""
    every = np.concatenate(assignments)
    return every[np.sort(np.unique(every, axis=0, return_index=True)[1])]


def _best(
    board: Board,
    demand: Demand,
    mappings: Mappings,
    heat: Heat,
    threads: Sequence[int],
    *,
    count: int,
) -> list[Rated]:
    """The best mappings of up to `count` assignments, the best first."""
    described = describe(board, demand, with_threads(board, mappings, threads))
    heats = heat(described.features)
    steps = np.round(described.shortfall / SHORTFALL_STEP)
    found: dict[tuple[int, ...], Rated] = {}
    for at in np.lexsort((heats, steps)).tolist():
        cluster = tuple(mappings.cluster[at].tolist())
        if cluster not in found:
            shortfall, heat_k = float(described.shortfall[at]), float(heats[at])
            found[cluster] = Rated(cluster, tuple(mappings.group[at].tolist()), shortfall, heat_k)
            if len(found) == count:
                break
    return list(found.values())
