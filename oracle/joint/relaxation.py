"""A bound for any decision, threads and crowds included, from every application's work alone.

A target keeps cores busy for ``target * (compute_s + stall_s)`` of the time and computing for
``target * compute_s``, however many share them. So at given operating points every application
costs at least what its work costs on the cheapest cluster.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from oracle.joint.demand import Demand
from oracle.joint.hardware import Floats, Hardware
from oracle.joint.measure import Measure

_ROUNDS = 4
"""Leakage and temperature raise each other; every round is a valid bound."""


def least_value(
    board: Hardware, asked: Demand, rated: Measure, threads: NDArray[np.int64], cap: float
) -> float:
    """No decision that misses its targets by at most `cap` in sum has a lower objective."""
    points = [range(count) for count in board.points]
    vectors = np.array(list(itertools.product(*points)))
    active_w, busy = _work(board, asked, threads, cap)
    temp_c = board.ambient_c
    for _ in range(_ROUNDS):
        watts = active_w + busy * (board.leakage_w * _leakage(board, temp_c))[None]
        temp_c = board.ambient_c + _cheapest(
            board, vectors, watts, rated.warmth, rated.warmth_shared
        )
    return rated.offset + _cheapest(board, vectors, watts, rated.least, rated.least_shared)


def _leakage(board: Hardware, temp_c: float) -> float:
    """Leakage at a temperature, relative to its reference."""
    return float(np.clip(np.polyval(board.leakage[3::-1], temp_c), *board.leakage[4:]))


def _work(
    board: Hardware, asked: Demand, threads: NDArray[np.int64], cap: float
) -> tuple[Floats, Floats]:
    """(k, x, o): power without leakage, and busy cores; infinite power where it cannot be done."""
    rate_ips = (asked.target_ips * max(0.0, 1.0 - cap))[:, None, None]
    computing = rate_ips * asked.compute_s
    busy = computing + rate_ips * asked.stall_s[:, :, None]
    floor = board.activity_floor[None, :, None]
    active = asked.activity[:, None, None] * (floor * busy + (1.0 - floor) * computing)
    most = np.minimum(threads[:, None], board.sizes[None, :])[:, :, None] * (1.0 + 1e-9)
    possible = (busy <= most) & asked.allowed[:, :, None]
    return np.where(possible, active * board.dynamic_w, np.inf), busy


def _cheapest(
    board: Hardware, vectors: NDArray[np.int64], watts: Floats, rate: Floats, shared_rate: float
) -> float:
    """The least that all work costs at any vector of operating points; `rate` (x) per watt."""
    clusters = range(len(board.sizes))
    per_cluster = [rate[x] * watts[:, x, vectors[:, x]] for x in clusters]
    shared_w = [board.shared_w[x, vectors[:, x]] for x in clusters]
    work = np.min(per_cluster, axis=0).sum(axis=0)
    least = float((work + shared_rate * np.min(shared_w, axis=0)).min())
    return least if np.isfinite(least) else 0.0
