"""Assignments that divide the applications between two clusters along an order.

Where the best mapping is far from the present one no single step leads towards it; but it gives, by
and large, to one cluster those who gain most by it or ask for least.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rm.mapping.demand import Demand


def divisions(demand: Demand) -> NDArray[np.int64]:
    """The assignments (B, K), without repetition, all applications on one cluster among them."""
    count = demand.count
    found: dict[tuple[int, ...], None] = {}
    for a, b in combinations(range(len(demand.served)), 2):
        for order in _orders(demand, a, b):
            for first in range(count + 1):
                assignment = np.full(count, a)
                assignment[order[:first]] = b
                found[tuple(assignment.tolist())] = None
    return np.array(list(found), dtype=np.int64).reshape(-1, count)


def _orders(demand: Demand, a: int, b: int) -> Iterator[NDArray[np.int64]]:
    """By what `b` gives over `a`, at several clocks, and by what each gives; and the reverse."""
    here, there = (
        np.log(np.maximum(demand.served[a], 1e-9)),
        np.log(np.maximum(demand.served[b], 1e-9)),
    )
    low, high = here.shape[1], there.shape[1]
    gains = [(low // 2, high // 2), (0, 0), (low - 1, 0), (0, high - 1)]
    keys = [there[:, j] - here[:, i] for i, j in gains]
    keys += [here[:, -1], there[:, high // 2]]
    for key in keys:
        order = np.argsort(-key, kind="stable")
        yield order
        yield order[::-1]
