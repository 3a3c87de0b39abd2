"""The span of memory queues that decisions can have.

How long the queue is depends on all that is decided. Where it is fixed within a narrow slice, every
group of applications stands for itself: what it needs at least follows from the lower end, what
power it takes and how it loads the memory at least from the upper one.
"""

import math

import numpy as np

from oracle.joint.compiled import compiled, entry
from oracle.joint.contention import LONGEST, left_free, queue_length
from oracle.joint.demand import Demand
from oracle.joint.hardware import Hardware
from platforms.simulated.performance import HIGHEST_LOAD

ROUNDING = 1e-9
"""Slices overlap by this, relative, so that no decision falls between two."""


@entry
def queue_span(board: Hardware, asked: Demand, shortfall: float) -> tuple[float, float]:
    """The shortest and the longest queue of a decision that misses no more than that."""
    low = shortest_queue(asked, shortfall)
    return low, max(longest_queue(board, asked), low * (1.0 + ROUNDING))


@compiled
def shortest_queue(asked: Demand, shortfall: float) -> float:
    """No decision whose targets are missed by `shortfall` in sum has a shorter queue.

    Who runs at a rate loads the memory with it. Missing a target by a share saves that share of the
    load, so `shortfall` saves most on the heaviest.
    """
    total = heaviest = 0.0
    for k in range(len(asked.target_ips)):
        load = asked.target_ips[k] * asked.pull_s[k]
        total += load
        heaviest = max(heaviest, load)
    if heaviest > 0.0:
        total -= shortfall * heaviest
    return max(1.0, (1.0 - ROUNDING) / (1.0 - min(total, HIGHEST_LOAD)))


@compiled
def longest_queue(board: Hardware, asked: Demand) -> float:
    """No decision has a longer queue: all at full speed, each on a core of its own."""
    count = len(asked.pull_s)
    compute_s, stall_s = np.empty(count), np.empty(count)
    heaviest = 0.0
    for k in range(count):
        compute_s[k], stall_s[k] = _fastest(board, asked, k)
        heaviest = max(heaviest, asked.pull_s[k] / (compute_s[k] + stall_s[k]))
    if heaviest == 0.0:
        return 1.0 + ROUNDING
    for k in range(count):
        stall_s[k] *= left_free(heaviest)
    low = 1.0 / left_free(heaviest)
    return min(LONGEST, queue_length(asked.pull_s, compute_s, stall_s, low) * (1.0 + 1e-6))


@compiled
def _fastest(board: Hardware, asked: Demand, k: int) -> tuple[float, float]:
    """The least time of computing and of waiting that an application has anywhere."""
    compute_s = stall_s = math.inf
    for x in range(len(board.sizes)):
        if asked.allowed[k, x]:
            compute_s = min(compute_s, asked.compute_s[k, x, board.points[x] - 1])
            stall_s = min(stall_s, asked.stall_s[k, x])
    return compute_s, stall_s
