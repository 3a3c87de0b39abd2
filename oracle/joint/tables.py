"""All that the bounds of one slice of queues are read from."""

import math
from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.contention import LONGEST
from oracle.joint.demand import Demand
from oracle.joint.group_costs import Slice, group_costs, members, most_sharing
from oracle.joint.hardware import Floats, Hardware, Ints
from oracle.joint.layer import Layer, empty_layer, fill_parts, fill_served, in_use
from oracle.joint.measure import Measure
from oracle.joint.partitions import set_sizes

WORTH_OF_LOAD = 0.5
"""In a guess the load of the memory counts as so much of a missed target: it lengthens everybody's
stalls. About what it is with two targets missed by programs that stall a quarter of the time."""


class Tables(NamedTuple):
    """Lower bounds. Axes: x clusters, o points, a sets of applications (bit masks).

    `cost` is the objective, leakage left out of its groups; `short` the missed targets and `load`
    the memory's load, where they are watched. `watts` (x, o, a) is a group's power without
    leakage, `sizes` (a) counts the applications of a set.
    """

    cost: Layer
    short: Layer
    load: Layer
    watts: Floats
    sizes: Ints


def empty_tables(board: Hardware, count: int, *, watch: bool) -> Tables:
    """Room for `count` applications; `watch`: missed targets and load are watched."""
    sets = 1 << count
    watched = sets if watch else 0
    clusters, points = board.dynamic_w.shape
    return Tables(
        empty_layer(board, sets),
        empty_layer(board, watched),
        empty_layer(board, watched),
        np.empty((clusters, points, sets)),
        set_sizes(count),
    )


@compiled
def fill_tables(
    board: Hardware, asked: Demand, rated: Measure, span: Slice, tables: Tables
) -> None:
    """Everything but `served` and `tails`."""
    who = np.empty(len(asked.target_ips), dtype=np.int64)
    moves, alone = np.zeros(len(tables.sizes)), np.zeros(len(tables.sizes))
    for x in range(len(board.sizes)):
        if rated.move_cost > 0.0 and not span.guess:
            _least_moves(board, asked, x, who, moves)
        for o in range(board.points[x]):
            most = most_sharing(board, asked, span, x, o)
            _fill_groups(board, asked, rated, span, tables, x, o, most, who, moves, alone)
            fill_parts(tables.cost, board, x, o, most, tables.sizes)
            if in_use(tables.short):
                fill_parts(tables.short, board, x, o, most, tables.sizes)
                fill_parts(tables.load, board, x, o, most, tables.sizes)


@compiled
def _fill_groups(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    span: Slice,
    tables: Tables,
    x: int,
    o: int,
    most: int,
    who: Ints,
    moves: Floats,
    alone: Floats,
) -> None:
    _add_up_loads(asked, x, o, alone)
    watch = in_use(tables.short)
    for group in range(1, len(tables.sizes)):
        cost = watts = short = load = math.inf
        if tables.sizes[group] <= most:
            count = members(group, who)
            load = alone[group] / count
            watts, short, load = group_costs(board, asked, span, who, count, load, x, o)
            cost = rated.least[x] * watts + rated.move_cost * moves[group]
            if span.guess:
                cost = short + WORTH_OF_LOAD * load
        tables.watts[x, o, group], tables.cost.groups[x, o, group] = watts, cost
        if watch:
            tables.short.groups[x, o, group], tables.load.groups[x, o, group] = short, load


@compiled
def _add_up_loads(asked: Demand, x: int, o: int, alone: Floats) -> None:
    """``alone[A]``: the sum of the loads that the applications of set A make alone on a core."""
    for k in range(len(asked.target_ips)):
        load = asked.pull_s[k] / (asked.compute_s[k, x, o] + asked.stall_s[k, x])
        half = 1 << k
        for a in range(half):
            alone[half + a] = alone[a] + load


@compiled
def most_load(span: Slice) -> float:
    """No decision of the slice loads the memory more, at the queue of its upper end."""
    if span.high >= LONGEST:
        return math.inf  # the queue is cut there, whatever the load
    return (1.0 - 1.0 / span.high) * (1.0 + 1e-9) + 1e-12


@compiled
def serve(board: Hardware, core_cost: Floats, cluster_cost: Floats, tables: Tables) -> None:
    """Fill `served` of all layers; costs per core and per cluster in use by (x, o)."""
    fill_served(tables.cost, board, core_cost, cluster_cost)
    if in_use(tables.short):
        nothing = np.zeros(core_cost.shape)
        fill_served(tables.short, board, nothing, nothing)
        fill_served(tables.load, board, nothing, nothing)


@compiled
def _least_moves(board: Hardware, asked: Demand, x: int, who: Ints, moves: Floats) -> None:
    """``moves[S]``: how many of a group must move at least if it is on the cluster.

    All that are not on the same core of it already; at best the fullest core stays.
    """
    for group in range(1, len(moves)):
        count = members(group, who)
        fullest = 0
        for i in range(board.sizes[x]):
            here = 0
            for j in range(count):
                here += asked.home[who[j]] == board.cores[x, i]
            fullest = max(fullest, here)
        moves[group] = count - fullest
