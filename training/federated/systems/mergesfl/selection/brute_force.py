"""Selection by trying everything: what the others are measured against."""

import numpy as np

from training.federated.systems.mergesfl.selection.pool import Members, Pool

MOST = 16
"""More workers are not tried: 65,536 choices."""


def brute_force(pool: Pool) -> Members:
    """The choice of the lowest cost, (n,); ValueError for more than `MOST` workers."""
    if len(pool) > MOST:
        raise ValueError(f"brute force must have at most {MOST} workers (got {len(pool)})")
    numbers = np.arange(1 << len(pool))
    members = (numbers[:, None] >> np.arange(len(pool)) & 1).astype(bool)
    return np.asarray(members[np.argmin(pool.costs(members))])
