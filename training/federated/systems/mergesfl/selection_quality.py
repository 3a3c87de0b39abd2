"""How good selections are: over many draws of 12 workers, against brute force."""

from typing import Any

import numpy as np

from training.federated.dice import dice
from training.federated.systems.mergesfl.selection.at_random import at_random
from training.federated.systems.mergesfl.selection.brute_force import brute_force
from training.federated.systems.mergesfl.selection.genetic import genetic
from training.federated.systems.mergesfl.selection.greedy import greedy
from training.federated.systems.mergesfl.selection.pool import Members, Pool, mixes_of

WORKERS, CLASSES, EXAMPLES = 12, 10, 100


def drawn_pool(seed: int, *, alpha: float, tolerance: float = 0.0, price: float = 0.0) -> Pool:
    """12 workers with labels by Dirichlet and batches from 4 to 32, half of which fit the line."""
    rng = dice(seed, "mergesfl", "pool", str(alpha))
    shares = rng.dirichlet(np.full(WORKERS, alpha), CLASSES).T
    mixes, wanted = mixes_of(np.ceil(shares * EXAMPLES) + 1e-9)
    batches = rng.integers(4, 33, WORKERS).astype(float)
    return Pool(
        mixes=mixes,
        batches=batches,
        loads=batches / (0.5 * batches.sum()),
        wanted=wanted,
        guest=int(rng.integers(WORKERS)),
        tolerance=tolerance,
        price=price,
    )


def cost(pool: Pool, members: Members) -> float:
    """The cost of one choice."""
    return float(pool.costs(members[None])[0])


def selection_quality(alpha: float, draws: int) -> dict[str, Any]:
    """Costs (divergences in nats, nothing else) of what each selection chose, by draw."""
    costs: dict[str, list[float]] = {"brute force": [], "genetic": [], "greedy": [], "random": []}
    for seed in range(draws):
        pool = drawn_pool(seed, alpha=alpha)
        costs["brute force"].append(cost(pool, brute_force(pool)))
        costs["genetic"].append(cost(pool, genetic(pool, dice(seed, "genetic"))))
        costs["greedy"].append(cost(pool, greedy(pool)))
        costs["random"].append(cost(pool, at_random(pool, dice(seed, "random"))))
    return {"alpha": alpha, "costs": costs}
