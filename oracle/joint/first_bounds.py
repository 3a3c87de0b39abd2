"""What every vector of operating points costs and misses at least, before any is looked at."""

import math

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.demand import Demand
from oracle.joint.group_costs import Slice
from oracle.joint.hardware import Floats, Hardware, Ints
from oracle.joint.layer import Layer, in_use
from oracle.joint.measure import Measure
from oracle.joint.prices import climb
from oracle.joint.tables import Tables, serve
from oracle.joint.warmth import leakage_factor, least_temperature


@compiled
def first_bounds(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    span: Slice,
    tables: Tables,
    base: float,
    cap: float,
    bounds: Floats,
) -> float:
    """Fill a bound for every vector; returns a temperature that no core is below.

    Infinite where the targets are missed by more than `cap`.
    """
    temp_c = least_temperature(board, asked, rated, span.cap)
    _serve_at(board, rated, tables, temp_c)
    prices, losing = _first_prices(board, tables.cost)
    least = base + climb(tables.cost.served, board.points, prices, losing)
    warm_c = least - len(asked.home) * rated.move_cost
    if rated.hottest and warm_c > temp_c:
        temp_c = warm_c
        _serve_at(board, rated, tables, temp_c)
        climb(tables.cost.served, board.points, prices, losing)
    _add_up(board, prices, losing, base, bounds)
    if in_use(tables.short):
        _drop(board, tables.short, cap, bounds)
    return temp_c


@compiled
def unpack(vector: int, points: Ints, opps: Ints) -> None:
    """The points of every cluster; cluster 0 changes slowest."""
    for x in range(len(points) - 1, -1, -1):
        opps[x] = vector % points[x]
        vector //= points[x]


@compiled
def _add_up(board: Hardware, prices: Floats, losing: Floats, base: float, bounds: Floats) -> None:
    """The bound of every vector: all prices, and what every cluster loses at its point."""
    opps = np.zeros(len(board.sizes), dtype=np.int64)
    for price in prices:
        base += price
    for vector in range(len(bounds)):
        unpack(vector, board.points, opps)
        bounds[vector] = base
        for x in range(len(opps)):
            bounds[vector] += losing[x, opps[x]]


@compiled
def _drop(board: Hardware, short: Layer, cap: float, bounds: Floats) -> None:
    """Give the vectors up that miss more than `cap`."""
    prices, losing = _first_prices(board, short)
    climb(short.served, board.points, prices, losing)
    missing = np.empty(len(bounds))
    _add_up(board, prices, losing, 0.0, missing)
    for vector in range(len(bounds)):
        if missing[vector] > cap + 1e-9:
            bounds[vector] = math.inf


@compiled
def _first_prices(board: Hardware, layer: Layer) -> tuple[Floats, Floats]:
    """What every application brings alone, where that is least; and room for the losses."""
    apps = 0
    while layer.served.shape[2] >> (apps + 1):
        apps += 1
    prices = np.zeros(apps)
    for k in range(apps):
        alone = math.inf
        for x in range(len(board.sizes)):
            for o in range(board.points[x]):
                alone = min(alone, layer.served[x, o, 1 << k])
        prices[k] = alone if alone < math.inf else 0.0
    return prices, np.zeros(board.shared_w.shape)


@compiled
def _serve_at(board: Hardware, rated: Measure, tables: Tables, temp_c: float) -> None:
    """Fill what depends on leakage, no core being cooler than `temp_c`."""
    factor = leakage_factor(board.leakage, temp_c)
    core_cost, cluster_cost = np.empty(board.shared_w.shape), np.empty(board.shared_w.shape)
    for x in range(len(board.sizes)):
        for o in range(board.points[x]):
            core_w = factor * board.leakage_w[x, o] - board.idle_w[x]
            core_cost[x, o] = rated.least[x] * core_w
            shared_w = board.shared_w[x, o] - board.idle_shared_w[x]
            cluster_cost[x, o] = rated.least_shared * shared_w
    serve(board, core_cost, cluster_cost, tables)
