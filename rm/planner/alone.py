"""Training alone under a power cap: batch, other knobs, cores and clock chosen together.

This is the joint choice of arXiv 2502.18323, from (GPU frequency, batch) to any knobs and places.
"""

import math

import numpy as np

from platforms.errors import InvalidInput
from rm.planner.mode_table import ModeTable


class NoMode(InvalidInput):
    """The caps leave nothing to choose."""


def best_under_cap(table: ModeTable, cap_w: float, memory_bytes: float = math.inf) -> int:
    """The mode under both caps with the least time to the goal; of equal ones the least peak power.

    Raises NoMode where there is none.
    """
    fits = table.memory_bytes <= memory_bytes
    if not fits.any():
        least = float(table.memory_bytes.min())
        raise NoMode(f"memory cap must be at least {least:.4g} bytes (got {memory_bytes:g})")
    if not (fits & (table.peak_w <= cap_w)).any():
        least_w = float(table.peak_w[fits].min())
        raise NoMode(f"power cap must be at least {least_w:.3g} W, the least peak (got {cap_w:g})")
    allowed = np.flatnonzero(fits & (table.peak_w <= cap_w))
    to_goal_s = (table.samples_to_goal * table.sample_s)[allowed]
    order = np.lexsort((table.peak_w[allowed], to_goal_s))
    return int(allowed[order[0]])
