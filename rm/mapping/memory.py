"""How much longer stalls become by the traffic of others, as far as the shares of stalls tell.

The memory is taken for one queue: at a load ``rho`` every access takes ``1 / (1 - rho)`` times as
long. A program's own stalls hold the queue that its core makes for itself, so they lengthen by
``(1 - rho_own) / (1 - rho)``. Slower programs load the memory less; both are found together.
"""

import numpy as np
from numpy.typing import NDArray

HIGHEST_LOAD = 0.95
"""The load is cut here, so that stalls stay finite (chosen)."""

ROUNDS = 5
"""Of load and queue in turn; each leaves about a fifth of the error at a third of the bandwidth."""

Floats = NDArray[np.float64]


def slowdowns(
    core: NDArray[np.int64], share: Floats, compute: Floats, stall: Floats, memory: Floats
) -> Floats:
    """The factors (R, K), 1 or more, by which stalls lengthen in R mappings of K applications.

    All arguments are (R, K): the core, whatever it is called; the share of its time; the times that
    an instruction computes, stalls, and keeps the memory busy, all in one unit.
    """
    traffic = share * memory
    alone = traffic / (compute + stall)
    own = ((core[:, :, None] == core[:, None, :]) * alone[:, None, :]).sum(axis=2)
    left = 1.0 - np.minimum(own, HIGHEST_LOAD)
    factor = _factor(left, alone)
    loads = np.empty_like(alone)
    for _ in range(ROUNDS - 1):
        np.multiply(stall, factor, out=loads)
        loads += compute
        factor = _factor(left, np.divide(traffic, loads, out=loads))
    return factor


def _factor(left: Floats, loads: Floats) -> Floats:
    """How much longer accesses take where a core's own leave so much, and these are all loads."""
    load = np.add.reduce(loads, axis=1, keepdims=True)
    factor: Floats = left / (1.0 - np.minimum(load, HIGHEST_LOAD))
    return np.maximum(factor, 1.0, out=factor)
