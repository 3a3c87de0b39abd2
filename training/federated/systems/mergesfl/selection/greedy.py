"""Selection one worker at a time: each time the one that lowers the cost most."""

import numpy as np

from training.federated.systems.mergesfl.selection.pool import Members, Pool


def greedy(pool: Pool) -> Members:
    """Start with the guest; stop where nobody else lowers the cost or fits. (n,)."""
    members = np.zeros(len(pool), dtype=bool)
    members[pool.guest] = True
    cost = float(pool.costs(members[None])[0])
    while True:
        larger = members | np.eye(len(pool), dtype=bool)
        costs = pool.costs(larger)
        best = int(np.argmin(costs))
        if costs[best] >= cost:
            return members
        members, cost = larger[best], float(costs[best])
