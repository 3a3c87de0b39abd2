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
from rm.mapping.rows import Described, describe
from rm.mapping.threads import with_threads

Heat = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Feature rows (R, F) in, heat per row (R,) in kelvin out."""

SHORTFALL_STEP = 0.01
"""Shortfalls are compared in steps of a hundredth of a target: estimates are no finer."""

BEAM = 8
"""So many assignments are followed at a time: one alone gets stuck (chosen)."""


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
    return _best(board, demand, mappings, heat, threads, settling, count=1)[0]


def search(
    board: Board,
    demand: Demand,
    start: Sequence[int],
    heat: Heat,
    *,
    steps: int,
    threads: Sequence[int] = (),
    settling: Settling | None = None,
) -> Rated:
    """The best mapping found in so many steps from the assignment `start` (K,) to clusters.

    The first step rates all packings of its neighbours, and of divisions that ask for no start;
    every other one those of the neighbours of the best assignments so far, in one batch, until none
    is better. `threads` and `settling` as in `best_of`.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more (got {steps})")
    movable = demand.first(len(start))
    clusters = len(board.clusters)
    around = [neighbours(start, clusters), divisions(movable)]
    best: Rated | None = None
    for _ in range(steps):
        mappings = pack(board, movable, _distinct(around))
        found = _best(board, demand, mappings, heat, threads, settling, count=BEAM)
        if best is not None and not found[0].rank < best.rank:
            break
        best = found[0]
        around = [neighbours(rated.cluster, clusters) for rated in found]
    assert best is not None
    return best


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
    *,
    count: int,
) -> list[Rated]:
    """The best mappings of up to `count` assignments, the best first."""
    described = describe(board, demand, with_threads(board, mappings, threads))
    heats = heat(described.features)
    steps = np.round(described.shortfall / SHORTFALL_STEP)
    found = _in_order(mappings, described, heats, steps, count)
    if settling is None:
        return found
    doubtful = _up_to(found[-1], heats, steps, settling.within_k)
    heats = heats.copy()
    heats[doubtful] = settling.heat(described.features[doubtful])
    return _in_order(mappings, described, heats, steps, count)


def _up_to(
    last: Rated, heats: NDArray[np.float32], steps: NDArray[np.float64], within_k: float
) -> NDArray[np.bool_]:
    """Which mappings are as good as `last`, or worse by `within_k` at most."""
    step = round(last.shortfall / SHORTFALL_STEP)
    as_good: NDArray[np.bool_] = (steps == step) & (heats <= last.heat_k + within_k)
    return as_good | (steps < step)


def _in_order(
    mappings: Mappings,
    described: Described,
    heats: NDArray[np.float32],
    steps: NDArray[np.float64],
    count: int,
) -> list[Rated]:
    """The best mapping of each assignment, the best first, up to `count`."""
    found: dict[tuple[int, ...], Rated] = {}
    for at in np.lexsort((heats, steps)).tolist():
        cluster = tuple(mappings.cluster[at].tolist())
        if cluster not in found:
            shortfall, heat_k = float(described.shortfall[at]), float(heats[at])
            found[cluster] = Rated(cluster, tuple(mappings.group[at].tolist()), shortfall, heat_k)
            if len(found) == count:
                break
    return list(found.values())
