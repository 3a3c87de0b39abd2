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
from rm.mapping.threads import Homes

Heat = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Feature rows (R, F) in, heat per row (R,) in kelvin out."""

Handicap = NDArray[np.float64] | None
"""By how much hotter (R,) mappings count than they are."""

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
    """One mapping: `cluster` and `group` (K,), with the shortfall and the heat it leads to.

    Threads of teams, where there are any, are the last ones.
    """

    cluster: tuple[int, ...]
    group: tuple[int, ...]
    shortfall: float
    heat_k: float

    @property
    def rank(self) -> tuple[float, float]:
        """Targets first, then heat; smaller is better."""
        return round(self.shortfall / SHORTFALL_STEP) * SHORTFALL_STEP, self.heat_k

    def first(self, count: int) -> Mappings:
        """The mapping (1, count) of the first so many alone."""
        places = self.cluster[:count], self.group[:count]
        cluster, group = (np.array([place], dtype=np.int64) for place in places)
        return Mappings(cluster, group)


def best_of(
    board: Board,
    demand: Demand,
    mappings: Mappings,
    heat: Heat,
    *,
    homes: Homes | None = None,
    settling: Settling | None = None,
) -> Rated:
    """The best of some mappings.

    With `homes` the demand ends with the threads of teams: the present mapping of all is rated, and
    these mappings with the threads in every way. `settling` is for a `heat` that is rounded.
    """
    return _best(board, demand, mappings, heat, homes, settling)[1]


def search(
    board: Board,
    demand: Demand,
    start: Mappings,
    heat: Heat,
    *,
    steps: int,
    homes: Homes | None = None,
    settling: Settling | None = None,
) -> tuple[Rated, Rated]:
    """The mapping `start`, of one row, and the best one found in so many steps from it.

    A step rates a batch: the mapping that it starts from, and those that divide two clusters'
    applications anew; where none of these serves all, packings of its neighbours and of other
    divisions. The steps end where none is better, or where another one would rate the same.
    `homes` and `settling` as in `best_of`; the present mapping is then that of `homes`.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more (got {steps})")
    movable = demand.first(start.cluster.shape[1])
    now, best = None, None
    around = start
    for _ in range(steps):
        mappings = proposals(board, movable, around) if movable.count else around
        divided = len(mappings) > 1 or not movable.count
        if not divided:
            mappings = _near(board, movable, around)
        first, found = _best(board, demand, mappings, heat, homes, settling)
        now = now or first
        if best is not None and not found.rank < best.rank:
            break
        best = found
        if divided and len(board.clusters) <= 2:
            break
        around = best.first(movable.count)
    assert now is not None
    assert best is not None
    return now, best


def _near(board: Board, demand: Demand, around: Mappings) -> Mappings:
    """A mapping (1, K), and all packings of what is one step from it or divides by an order."""
    near = neighbours(around.cluster[0].tolist(), len(board.clusters))
    packed = pack(board, demand, _distinct([near, divisions(demand)]))
    return around.and_then(packed)


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
    homes: Homes | None,
    settling: Settling | None,
) -> tuple[Rated, Rated]:
    """The first of the mappings, and the best of all."""
    handicap_k: Handicap = None
    if homes is not None:
        mappings, handicap_k = homes.beside(board, demand, mappings)
    described = describe(board, demand, mappings)
    heats = heat(described.features)
    steps = np.rint(described.shortfall / SHORTFALL_STEP)
    weighed = _weighed(heats, handicap_k)
    best = _coolest(weighed, steps)
    if settling is not None:
        doubtful = (steps == steps[best]) & (weighed <= weighed[best] + settling.within_k)
        doubtful[0] = True
        heats = heats.copy()
        heats[doubtful] = settling.heat(described.features[doubtful])
        best = _coolest(_weighed(heats, handicap_k), steps)
    return _rated(mappings, described, heats, 0), _rated(mappings, described, heats, best)


def _weighed(heats: NDArray[np.float32], handicap_k: Handicap) -> NDArray[np.floating]:
    """The heats as they are compared."""
    return heats if handicap_k is None else heats + handicap_k


def _coolest(heats: NDArray[np.floating], steps: NDArray[np.float64]) -> int:
    """Which one comes first: targets, then heat."""
    return int(np.where(steps == steps.min(), heats, np.inf).argmin())


def _rated(mappings: Mappings, described: Described, heats: NDArray[np.float32], at: int) -> Rated:
    return Rated(
        tuple(mappings.cluster[at].tolist()),
        tuple(mappings.group[at].tolist()),
        float(described.shortfall[at]),
        float(heats[at]),
    )
