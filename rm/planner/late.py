"""What is planned among where no division meets all targets: those that miss least."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rm.mapping.packing import Mappings, pack
from rm.mapping.rows import describe
from rm.mapping.search import SHORTFALL_STEP
from rm.mapping.threads import with_threads
from rm.planner.divided import Divided
from rm.planner.foreground import Needs
from rm.planner.packed import Packed, grouped

Ints = NDArray[np.int64]

MOST = 128
"""So many of the mappings that miss least are looked at, those on fewest cores first (chosen)."""

MOST_PACKED = 256
"""Divisions that are packed at most (chosen)."""


class Late(NamedTuple):
    """The mappings with the least shortfall, in `steps` of `SHORTFALL_STEP`."""

    divided: Divided
    steps: float


def least_late(needs: Needs, assignments: Ints) -> Late:
    """The mappings with the least shortfall, at the operating points that this takes or higher."""
    if len(assignments) > MOST_PACKED:
        step = len(assignments) / MOST_PACKED
        assignments = assignments[(np.arange(MOST_PACKED) * step).astype(np.int64)]
    board, movable = needs.board, needs.demand.first(needs.movable)
    mappings = with_threads(board, pack(board, movable, assignments), needs.threads)
    described = describe(board, needs.demand, mappings)
    steps = np.round(described.shortfall / SHORTFALL_STEP)
    least = np.flatnonzero(steps == steps.min())
    cores = [_cores(mappings, row) for row in least.tolist()]
    chosen = least[np.argsort(cores, kind="stable")[:MOST]]
    cluster, group = mappings.cluster[chosen], mappings.group[chosen]
    every = np.arange(len(chosen))
    clusters = range(len(board.clusters))
    divided = Divided(
        cluster[:, : needs.movable],
        tuple(_packed(needs, cluster, group, described.opp_index[chosen], x) for x in clusters),
        np.stack([every for _ in clusters]),
        group,
    )
    return Late(divided, float(steps.min()))


def _cores(mappings: Mappings, row: int) -> int:
    """How many cores a mapping uses."""
    pairs = zip(mappings.cluster[row].tolist(), mappings.group[row].tolist(), strict=True)
    return len(set(pairs))


def _packed(needs: Needs, cluster: Ints, group: Ints, opp_index: Ints, x: int) -> Packed:
    points = np.arange(len(needs.board.clusters[x].opps))
    spread = np.broadcast_to(group[:, None, :], (len(group), len(points), group.shape[1]))
    found = grouped(needs, cluster == x, spread, x)
    least = np.minimum(np.maximum(opp_index[:, x], needs.lowest[x]), needs.highest[x])
    served = (points >= least[:, None]) & (points <= needs.highest[x])
    return Packed(found.used, found.active, found.hottest, served)
