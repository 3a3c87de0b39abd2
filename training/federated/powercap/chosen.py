"""What each method takes under a cap: rows of a job's table of modes.

All see the same table and hold the same cap by its peak power; they differ in what they know of the
samples to the goal, and in whether batch and place are chosen together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from rm.planner.alone import NoMode, best_under_cap
from rm.planner.mode_table import ModeTable

PLANNER = "planner"
CAPPING = "frequency-cap"
BATCH_FIRST = "batch-then-cap"


@dataclass(frozen=True)
class Modes:
    """One job's modes with the proxy's samples to the goal, and the batch of each."""

    table: ModeTable
    batch: NDArray[np.int64]


def choose(method: str, modes: Modes, cap_w: float) -> int | None:
    """The mode that a method takes; None where it has none under the cap."""
    try:
        return _WAYS[method](modes, cap_w)
    except NoMode:
        return None


def _planner(modes: Modes, cap_w: float) -> int:
    """Batch and place together."""
    return best_under_cap(modes.table, cap_w)


def _capping(modes: Modes, cap_w: float) -> int:
    """The largest batch; its fastest place under the cap."""
    return _fastest(modes, int(modes.batch.max()), cap_w)


def _batch_first(modes: Modes, cap_w: float) -> int:
    """The planner's batch without a cap; then its fastest place under it."""
    free = best_under_cap(modes.table, inf)
    return _fastest(modes, int(modes.batch[free]), cap_w)


def _fastest(modes: Modes, batch: int, cap_w: float) -> int:
    """The fastest mode of a batch under the cap; of equal ones that of least peak power."""
    table = modes.table
    allowed = np.flatnonzero((modes.batch == batch) & (table.peak_w <= cap_w))
    if not len(allowed):
        raise NoMode(f"power cap must leave batch {batch} a place (got {cap_w:g} W)")
    order = np.lexsort((table.peak_w[allowed], table.sample_s[allowed]))
    return int(allowed[order[0]])


_WAYS: Mapping[str, Callable[[Modes, float], int]] = {
    PLANNER: _planner,
    CAPPING: _capping,
    BATCH_FIRST: _batch_first,
}
METHODS = tuple(_WAYS)
