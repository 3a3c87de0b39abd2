"""What is planned among where no division meets all targets: those that miss least."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rm.mapping.packing import Mappings, pack
from rm.mapping.rows import Described, describe
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


@dataclass(frozen=True)
class Late:
    """Mappings that miss least, in `steps` of `SHORTFALL_STEP`; `divided` is what they ask for."""

    mappings: Mappings
    steps: float
    divided: Divided

    def under(self, needs: Needs) -> Divided:
        """Those that miss no more under other needs."""
        described = describe(needs.board, needs.demand, self.mappings)
        as_few = np.flatnonzero(np.round(described.shortfall / SHORTFALL_STEP) <= self.steps)
        return _divided(needs, self.mappings.rows(as_few), described.opp_index[as_few])


def least_late(needs: Needs, assignments: Ints) -> Late:
    """The mappings with the least shortfall, at the operating points that this takes or higher."""
    if len(assignments) > MOST_PACKED:
        step = len(assignments) / MOST_PACKED
        assignments = assignments[(np.arange(MOST_PACKED) * step).astype(np.int64)]
    board, movable = needs.board, needs.demand.first(needs.movable)
    mappings = with_threads(board, pack(board, movable, assignments), needs.threads)
    described = describe(board, needs.demand, mappings)
    steps = np.round(described.shortfall / SHORTFALL_STEP)
    chosen = _on_fewest_cores(mappings, described, np.flatnonzero(steps == steps.min()))
    few = mappings.rows(chosen)
    return Late(few, float(steps.min()), _divided(needs, few, described.opp_index[chosen]))


def _on_fewest_cores(mappings: Mappings, described: Described, rows: Ints) -> Ints:
    """Some of the mappings. Shares of cores add up to the number of cores."""
    cores = described.share[rows].sum(axis=1)
    return rows[np.argsort(cores, kind="stable")[:MOST]]


def _divided(needs: Needs, mappings: Mappings, opp_index: Ints) -> Divided:
    """Mappings whose groups are given, at these operating points or higher."""
    every, clusters = np.arange(len(mappings)), range(len(needs.board.clusters))
    return Divided(
        mappings.cluster[:, : needs.movable],
        tuple(_packed(needs, mappings, opp_index[:, x], x) for x in clusters),
        np.stack([every for _ in clusters]),
        mappings.group,
    )


def _packed(needs: Needs, mappings: Mappings, least: Ints, x: int) -> Packed:
    group, points = mappings.group, np.arange(len(needs.board.clusters[x].opps))
    spread = np.broadcast_to(group[:, None, :], (len(group), len(points), group.shape[1]))
    found = grouped(needs, mappings.cluster == x, spread, x)
    lowest = np.minimum(np.maximum(least, needs.lowest[x]), needs.highest[x])
    served = (points >= lowest[:, None]) & (points <= needs.highest[x])
    return Packed(found.used, found.active, found.hottest, served)
