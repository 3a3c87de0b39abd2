"""A mapping as the network sees it: what runs on the clusters once DVFS has settled.

The features are sums over cores, so that any number of applications and cores gives a row of one
width: cores and applications share the network's weights.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from npu_runtime.policy_file import Feature
from platforms.board import Board
from rm.mapping.demand import MARGIN, Demand, frequencies
from rm.mapping.flat_demand import FlatDemand
from rm.mapping.memory import slowdowns
from rm.mapping.packing import Mappings
from rm.mapping.placed import NEVER, Placed, place

OUTPUTS = ("heat_k",)
"""The network's one output: how hot the mapping settles, in kelvin above an unknown level."""

CLIMBS = 3
"""Times that operating points and stalls are worked out in turn; a point more lengthens others'
stalls by a few hundredths, so that a second one seldom follows (chosen)."""

BEYOND_HZ = 1e18
"""A frequency that no operating point has."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def table(board: Board) -> tuple[Feature, ...]:
    """Index, name, unit and range of every feature for a board."""
    rows: list[tuple[str, str, float]] = []
    for cluster in board.clusters:
        cores = float(len(cluster.cores))
        points = [f"{cluster.name}_at_{freq_hz // 1_000_000}_mhz" for freq_hz in cluster.freqs_hz]
        rows += [(f"cores_of_{point}", "cores", cores) for point in points]
        rows += [(f"computing_on_{point}", "cores", cores) for point in points]
        rows += [(f"l2d_per_s_of_{cluster.name}", "accesses/s", cores * cluster.freqs_hz[-1])]
    return tuple(Feature(i, name, unit, 0.0, high) for i, (name, unit, high) in enumerate(rows))


@dataclass(frozen=True)
class Described:
    """R mappings at the lowest operating points that meet all targets that they can meet.

    `features` (R, F) is the network's input, `opp_index` (R, clusters), `shortfall` (R,) the sum of
    the shares by which targets are missed. `share` (R, K) is of a core's time, `computing` (R, K)
    the part of it in which an application does not stall.

    Threads of one application make up for each other: of its target each meets what the mean of
    their shares gives.
    """

    features: NDArray[np.float32]
    opp_index: NDArray[np.int64]
    shortfall: NDArray[np.float64]
    share: NDArray[np.float64]
    computing: NDArray[np.float64]


def describe(board: Board, demand: Demand, mappings: Mappings) -> Described:
    """What R mappings lead to, as far as the demand tells.

    Clusters are as fast as an idle memory asks for, then climb with what they make of it.
    """
    flat, placed = demand.flat, place(demand, mappings)
    need, slower = _settled(board, demand, placed)
    opp = np.minimum(need, flat.points[:, None] - 1)
    here = placed.at(opp)
    busy = flat.busy.take(here)
    longer = busy + (1.0 - busy) * slower
    each = np.empty((3, *here.shape))
    each[0] = placed.share
    computing = np.divide(placed.share * busy, longer, out=each[1])
    np.divide(placed.share * flat.l2d_per_s.take(here), longer, out=each[2])
    sums = np.add.reduce(each[:, None] * placed.members, axis=3)
    late = need == flat.points[:, None]
    shortfall = np.zeros(len(mappings))
    if late.any():
        missed = 1.0 - flat.served.take(here) * placed.granted / longer
        shortfall = _shortfall(placed, late, missed)
    return Described(_features(flat.points, opp, sums), opp.T, shortfall, placed.share, computing)


def _features(points: Ints, opp: Ints, sums: Floats) -> NDArray[np.float32]:
    """The features (R, F) at operating points (clusters, R).

    `sums` (3, clusters, R) are the cores in use, what of these computes, and the L2 accesses.
    """
    first, width = _columns(tuple(points.tolist()))
    rows = sums.shape[2]
    column = np.empty(sums.shape, dtype=np.int64)
    column[:] = first
    column[:2] += opp
    features = np.zeros((rows, width), dtype=np.float32)
    features.ravel()[column + np.arange(rows) * width] = sums
    return features


@lru_cache
def _columns(points: tuple[int, ...]) -> tuple[Ints, int]:
    """Where features of each kind and cluster begin (3, clusters, 1), and how many there are."""
    width = 2 * np.array(points) + 1
    first = width.cumsum() - width + np.arange(3)[:, None] * points
    return first[:, :, None], int(width.sum())


def _shortfall(placed: Placed, late: Flags, missed: Floats) -> Floats:
    """The sum (R,) over all whom clusters (clusters, R) serve too late."""
    owed = np.where(placed.members & late[:, :, None], np.maximum(0.0, missed), 0.0)
    total: Floats = owed.sum(axis=2).sum(axis=0)
    return total


def _settled(board: Board, demand: Demand, placed: Placed) -> tuple[Ints, Floats]:
    """The operating point (clusters, R) that each needs, and how much longer stalls (R, K) are."""
    need = placed.highest(placed.least_opp(demand))
    if not demand.memory.any():
        return need, np.ones_like(placed.share)
    slower, climbed, need = _climb(board, demand, placed, need)
    for _ in range(CLIMBS - 1):
        if not climbed.size:
            break
        # The others would come out as they are.
        some = placed.rows(climbed)
        slower[climbed], further, need[:, climbed] = _climb(board, demand, some, need[:, climbed])
        climbed = climbed[further]
    return need, slower


def _climb(board: Board, demand: Demand, placed: Placed, need: Ints) -> tuple[Floats, Ints, Ints]:
    """How much longer stalls (R, K) are, which rows climb for it, and where to (clusters, R)."""
    slower = _slowdowns(demand, placed, need)
    higher = np.maximum(need, _needs(board, demand.flat, placed, slower))
    climbed: Ints = np.flatnonzero((higher > need).any(axis=0))
    return slower, climbed, higher


def _slowdowns(demand: Demand, placed: Placed, need: Ints) -> Floats:
    """By how much stalls lengthen (R, K) at these operating points (clusters, R)."""
    flat = demand.flat
    here = placed.at(np.minimum(need, flat.points[:, None] - 1))
    busy = flat.busy.take(here)
    alone = 1.0 / np.maximum(flat.served.take(here), NEVER)
    return slowdowns(placed.core, placed.share, busy * alone, (1.0 - busy) * alone, demand.memory)


def _needs(board: Board, flat: FlatDemand, placed: Placed, slower: Floats) -> Ints:
    """The lowest operating points (clusters, R) with such stalls, their number where none is."""
    alone = 1.0 / np.maximum(flat.served.take(flat.first), NEVER)
    busy = flat.busy.take(flat.first)
    freqs_hz = [frequencies(cluster.freqs_hz) for cluster in board.clusters]
    lowest_hz = np.array([freqs[0] for freqs in freqs_hz]).repeat(len(busy) // len(freqs_hz))
    stall = ((1.0 - busy) * alone).take(placed.number)
    left = placed.granted / (1.0 + MARGIN) - stall * slower
    slowest_hz = (busy * alone * lowest_hz).take(placed.number) / np.maximum(left, NEVER)
    slowest_hz[left <= 0.0] = BEYOND_HZ
    need_hz = placed.highest(slowest_hz) * (1.0 - 1e-9)
    found = np.empty(need_hz.shape, dtype=np.int64)
    for x, freqs in enumerate(freqs_hz):
        found[x] = freqs.searchsorted(need_hz[x])
    return found
