"""A demand with the tables of all clusters in one row, so that one look-up serves all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FlatDemand:
    """What a demand (`rm.mapping.demand`) of K applications holds, cluster after cluster.

    `points` (clusters,) are the numbers of operating points, N of all clusters and applications.
    Application k on cluster x is number ``x * K + k``: in `served`, `busy` and `l2d_per_s` (N,) it
    begins at `first` of that number, in `least_opp` at ``K + 1`` times it. `application` (N,) is
    that of a place.
    """

    points: Ints
    first: Ints
    application: Ints
    served: Floats
    busy: Floats
    l2d_per_s: Floats
    least_opp: Ints


def flattened(
    served: Sequence[Floats],
    busy: Sequence[Floats],
    l2d_per_s: Sequence[Floats],
    least_opp: Sequence[Ints],
) -> FlatDemand:
    """The same demand."""
    layout = _layout(tuple(table.shape[1] for table in served), len(served[0]))
    tables = (served, busy, l2d_per_s, least_opp)
    return FlatDemand(*layout, *(np.concatenate([one.ravel() for one in each]) for each in tables))


@lru_cache
def _layout(points: tuple[int, ...], count: int) -> tuple[Ints, Ints, Ints]:
    """Numbers of operating points, where each application begins, and whose every place is."""
    lengths = np.array(points).repeat(count)
    whose = np.tile(np.arange(count), len(points)).repeat(lengths)
    return np.array(points), lengths.cumsum() - lengths, whose
