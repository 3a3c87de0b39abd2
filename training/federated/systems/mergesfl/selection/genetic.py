"""Selection by a genetic algorithm over bit strings, a bit per worker.

A tournament of two picks parents, each bit comes from either, one bit per child flips on average,
children that do not fit lose workers at random until they do, and the best of parents and children
live on, no string twice.
"""

import numpy as np
from numpy.random import Generator

from training.federated.systems.mergesfl.selection.pool import Members, Pool


def genetic(pool: Pool, rng: Generator, *, population: int = 20, generations: int = 30) -> Members:
    """The best choice that was found, (n,)."""
    living = _repaired(pool, rng.random((population, len(pool))) < rng.random((population, 1)), rng)
    costs = pool.costs(living)
    for _ in range(generations):
        children = _repaired(pool, _children(living, costs, rng), rng)
        both = np.unique(np.concatenate([living, children]), axis=0)
        costs = pool.costs(both)
        best = np.argsort(costs, kind="stable")[:population]
        living, costs = both[best], costs[best]
    return np.asarray(living[np.argmin(costs)])


def _children(living: Members, costs: np.ndarray, rng: Generator) -> Members:
    count, workers = living.shape
    pairs = rng.integers(count, size=(2, 2, count))
    first, second = np.where(costs[pairs[:, 0]] <= costs[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    crossed = np.where(rng.random((count, workers)) < 0.5, living[first], living[second])
    return np.asarray(crossed ^ (rng.random((count, workers)) < 1 / workers))


def _repaired(pool: Pool, members: Members, rng: Generator) -> Members:
    """The guest is in; then who stands first in a random order, as long as the line holds."""
    keys = np.where(members, rng.random(members.shape), 2.0)
    keys[:, pool.guest] = -1.0
    order = np.argsort(keys, axis=1)
    asked = members | (np.arange(len(pool)) == pool.guest)
    ordered = np.take_along_axis(asked, order, axis=1)
    loads = np.cumsum(ordered * pool.loads[order], axis=1)
    kept = ordered & (loads <= 1 + 1e-9)
    kept[:, 0] = True
    back = np.empty_like(kept)
    np.put_along_axis(back, order, kept, axis=1)
    return back
