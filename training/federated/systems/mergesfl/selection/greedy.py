"""Selection one worker at a time: each time the one with whom the choice costs least."""

import numpy as np

from training.federated.systems.mergesfl.selection.pool import Members, Pool


def greedy(pool: Pool) -> Members:
    """Start with the guest, go on until nobody else fits, take the cheapest on the way. (n,).

    Going on where the cost rises leads out of choices that no single worker betters, such as a
    guest alone.
    """
    members: Members = np.arange(len(pool)) == pool.guest
    best, least = members, float(pool.costs(members[None])[0])
    while not members.all():
        larger = members | np.eye(len(pool), dtype=bool)
        costs = np.where(members, np.inf, pool.costs(larger))
        if not np.isfinite(costs).any():
            break
        members = larger[int(np.argmin(costs))]
        if costs.min() < least:
            best, least = members, float(costs.min())
    return best
