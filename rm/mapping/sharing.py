"""With how many an application can share a core of a cluster, at every operating point."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from rm.mapping.demand import MARGIN, Demand
from rm.mapping.memory import HIGHEST_LOAD

Floats = NDArray[np.float64]


def bears(demand: Demand) -> list[Floats]:
    """Per cluster (O, K): with how many, itself included; less than 1 where no core is enough.

    The memory is taken to be as busy as if everybody just met the target. Whom no cluster can serve
    takes a core of its own where it is fastest, at the highest operating point.
    """
    flat, count = demand.flat, demand.count
    load = min(float(demand.memory.sum()), HIGHEST_LOAD)
    alone = 1.0 - np.minimum(demand.memory, HIGHEST_LOAD)
    lengthened = np.maximum(alone / (1.0 - load), 1.0) - 1.0
    time = 1.0 + (1.0 - flat.busy) * lengthened.take(flat.application)
    most = np.minimum(flat.served / ((1.0 + MARGIN) * time), count)
    ends = (count * flat.points).cumsum().tolist()
    found = [
        most[end - count * points : end].reshape(count, points).T
        for end, points in zip(ends, flat.points.tolist(), strict=True)
    ]
    hopeless = reduce(np.maximum, [on_cluster[-1] for on_cluster in found]) < 1.0
    for k in hopeless.nonzero()[0].tolist():
        fastest = max(found, key=lambda on_cluster: float(on_cluster[-1, k]))
        fastest[-1, k] = 1.0
    return found
