"""The memory queue of `platforms.simulated.performance`, compiled.

With groups of applications on cores, the queue is one number for the whole board: how many times as
long as on an idle memory an access takes. A group that would leave the share `left` of the
bandwidth free were it alone sees its stalls lengthened by ``left * queue``.
"""

import math

from oracle.joint.compiled import compiled
from oracle.joint.hardware import Floats
from platforms.simulated.performance import HIGHEST_LOAD

LONGEST = 1.0 / (1.0 - HIGHEST_LOAD)
"""The queue is cut here."""

_PRECISION = 1e-7
"""As in `platforms.simulated.performance`."""


@compiled
def queue_length(pulls: Floats, compute_s: Floats, stall_s: Floats, low: float) -> float:
    """Where the load ``sum pull / (compute_s + stall_s q)`` and the queue `q` agree; from `low`."""
    queue = low
    while True:
        load = relief = 0.0
        for i in range(len(pulls)):
            per_instruction_s = compute_s[i] + stall_s[i] * queue
            asked = pulls[i] / per_instruction_s
            load += asked
            relief += asked * stall_s[i] / per_instruction_s
        missing = 1.0 - queue * (1.0 - load)
        if missing > 0.0 and queue >= LONGEST:
            return LONGEST
        step = missing / (1.0 - load + queue * relief) if load < 1.0 else math.inf
        queue = min(queue + step, LONGEST)
        if not abs(step) > _PRECISION * queue:
            return queue


@compiled
def left_free(own_load: float) -> float:
    """The share of the bandwidth that a group leaves free were it alone."""
    return 1.0 - min(own_load, HIGHEST_LOAD)


@compiled
def slowdown(left: float, queue: float) -> float:
    """By how much a group's stalls lengthen."""
    return max(1.0, left * queue)
