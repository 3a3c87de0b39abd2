"""For how much of training's memory traffic the foreground's stalls are lengthened beforehand.

Every mode has its own traffic. Were the foreground planned for the most of them, few modes would
be left room for that nobody needs; so there are levels, and at each only modes up to it.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rm.planner.mode_table import ModeTable

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NEAR = 2.0
"""Modes up to so many times as fast as must be make the level where a deadline is to be kept."""

LITTLE = 0.02
"""So much more of the bandwidth makes no difference that matters (chosen: stalls lengthen by two
percent), and one level serves both questions."""

HALVINGS = 3
"""Times that the level is halved where training is to be as fast as may be, and the foreground does
not bear the most."""


def loads_of(table: ModeTable, bandwidth: float) -> Floats:
    """The share of the memory's bandwidth that each mode takes, alone."""
    return table.bytes_per_sample / table.sample_s / bandwidth


def levels_in_time(loads: Floats, progress: Floats, fast: Flags, fits: Flags) -> Iterator[float]:
    """The levels for modes that are `fast` enough: those near the pace, then the least.

    The most traffic of all that fit is the first level where it is little more.
    """
    if not fast.any():
        return
    near = fast & (progress <= NEAR * progress[fast].min())
    level, least, most = (
        float(at) for at in (loads[near].max(), loads[fast].min(), loads[fits].max())
    )
    level = most if most <= level + LITTLE else level
    yield level
    if least < level:
        yield least


def levels_of_fastest(loads: Floats, fits: Flags) -> Iterator[float]:
    """The levels for modes as fast as may be: the most first."""
    level = float(loads[fits].max())
    for _ in range(1 + (HALVINGS if level > 0.0 else 0)):
        if (loads[fits] <= level).any():
            yield level
        level /= 2.0
