"""A first bound for every vector of operating points, from prices on the applications.

Lagrangian relaxation: every cluster serves whatever set it likes and is paid the price of every
application in it; that all are served once is left to the prices. For any prices, their sum plus
what every cluster then loses at its operating point is a lower bound, and adding up one number per
cluster bounds a vector. A subgradient ascent finds prices under which the best vector's bound is
high: who is served more than once gets cheaper, who is not served at all dearer.
"""

import math

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.hardware import Floats, Ints

ROUNDS = 16
"""Rounds of the ascent. More of them would spare few of the tighter bounds that follow."""

_FIRST_STEP = 0.3
"""The first step, as a share of the mean price; round n takes 1 / (1 + n / 4) of it."""


@compiled
def priced(prices: Floats, into: Floats) -> None:
    """``into[A]``: the sum of the prices of a set."""
    into[0] = 0.0
    for k in range(len(prices)):
        half = 1 << k
        for a in range(half):
            into[half + a] = into[a] + prices[k]


@compiled
def losses(served: Floats, points: Ints, worth: Floats, least: Floats, sets: Ints) -> None:
    """`least` (x, o): what a cluster loses at least; `sets` (x): whom it serves at its best one."""
    for x in range(len(points)):
        lowest = math.inf
        for o in range(points[x]):
            best, chosen = math.inf, 0
            for a in range(len(worth)):
                loss = served[x, o, a] - worth[a]
                if loss < best:
                    best, chosen = loss, a
            least[x, o] = best
            if best < lowest:
                lowest, sets[x] = best, chosen


@compiled
def climb(served: Floats, points: Ints, prices: Floats, least: Floats) -> float:
    """Improve `prices`; leaves the losses at the best ones in `least` and returns the bound.

    The bound is that of the best vector, without the constant part of the objective.
    """
    worth, sets = np.empty(served.shape[2]), np.empty(len(points), dtype=np.int64)
    now, best = prices.copy(), -math.inf
    losing = least.copy()
    step = _FIRST_STEP * max(_sum(prices) / len(prices), 1e-9)
    for number in range(ROUNDS):
        priced(now, worth)
        losses(served, points, worth, losing, sets)
        bound = _sum(now)
        for x in range(len(points)):
            lowest = math.inf
            for o in range(points[x]):
                lowest = min(lowest, losing[x, o])
            bound += lowest
        if bound > best:
            best = bound
            _copy(now, losing, prices, least)
        if not _move(now, sets, step / (1.0 + number / 4.0)):
            break
    return best


@compiled
def _sum(values: Floats) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


@compiled
def _copy(prices: Floats, losing: Floats, to_prices: Floats, to_losing: Floats) -> None:
    for k in range(len(prices)):
        to_prices[k] = prices[k]
    for x in range(losing.shape[0]):
        for o in range(losing.shape[1]):
            to_losing[x, o] = losing[x, o]


@compiled
def _move(prices: Floats, sets: Ints, step: float) -> bool:
    """One step against those served too often or never; False: nobody is."""
    moved = False
    for k in range(len(prices)):
        excess = -1
        for x in range(len(sets)):
            excess += sets[x] >> k & 1
        prices[k] -= step * excess
        moved = moved or excess != 0
    return moved
