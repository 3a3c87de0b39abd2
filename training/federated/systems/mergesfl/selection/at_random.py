"""Selection by dice, until the line is full."""

import numpy as np
from numpy.random import Generator

from training.federated.systems.mergesfl.selection.pool import Members, Pool


def at_random(pool: Pool, rng: Generator) -> Members:
    """The guest, and then workers in a random order, each that the line still takes. (n,)."""
    members = np.zeros(len(pool), dtype=bool)
    members[pool.guest] = True
    load = pool.loads[pool.guest]
    for worker in rng.permutation(len(pool)):
        if not members[worker] and load + pool.loads[worker] <= 1 + 1e-9:
            members[worker] = True
            load += pool.loads[worker]
    return members
