"""One slice of queues: vector by vector of operating points, best bound first.

Every vector has a bound from the prices, and a tighter one from the tables by the time it is
looked at closely. The search ends when no bound left is better than the record, or when the budget
is spent; then what is left bounds what could still be found.
"""

import math
from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled, entry
from oracle.joint.demand import Demand
from oracle.joint.descent import Stack, Terms, descend, empty_stack
from oracle.joint.dive import dive
from oracle.joint.first_bounds import first_bounds, unpack
from oracle.joint.group_costs import Slice
from oracle.joint.hardware import Floats, Hardware, Ints
from oracle.joint.layer import everybody, fill_tails, in_use, tail_rows
from oracle.joint.leaf import guess, look_at
from oracle.joint.measure import Measure
from oracle.joint.record import (
    CAP,
    PROVEN,
    SLICES,
    VECTORS,
    Record,
    exhausted,
    hopeless,
    promising,
)
from oracle.joint.seating import Seats, empty_seats
from oracle.joint.tables import Tables, empty_tables, fill_tables, most_load
from oracle.joint.verdict import Partition, empty_partition
from oracle.joint.warmth import leakage_factor

GUESSES = 24
"""Vectors whose best partition is looked at for a guess."""

UNSEEN = -1.0
"""A vector of operating points of which only the first bound is known."""


class Room(NamedTuple):
    """Memory that the search needs; `bounds` and `missed` are by vector of operating points."""

    tables: Tables
    part: Partition
    stack: Stack
    seats: Seats
    rows: Ints
    bounds: Floats
    missed: Floats


def empty_room(board: Hardware, apps: int, *, watch: bool) -> Room:
    """Room for so many applications; `watch`: missed targets and load are watched."""
    clusters, vectors = len(board.sizes), int(board.points.prod())
    return Room(
        empty_tables(board, apps, watch=watch),
        empty_partition(len(board.heat), clusters),
        empty_stack(board),
        empty_seats(board),
        np.zeros(clusters + 1, dtype=np.int64),
        np.empty(vectors),
        np.empty(vectors),
    )


@entry
def search_slice(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    span: Slice,
    room: Room,
    limit: float,
    record: Record,
) -> bool:
    """Improve the record from one slice; False: given up at `limit` choices in vain.

    ``record.numbers[PROVEN]`` becomes a bound of the objective of all that was given up.
    """
    record.counts[SLICES] += 1
    fill_tables(board, asked, rated, span, room.tables)
    base = _idle_cost(board, rated)
    cap, bounds, missed = record.numbers[CAP], room.bounds, room.missed
    temp_c = first_bounds(board, asked, rated, span, room.tables, base, cap, bounds)
    for vector in range(len(missed)):
        missed[vector] = UNSEEN
    guesses = GUESSES if span.guess else len(bounds)
    while guesses:
        vector = _lowest(bounds)
        if bounds[vector] == math.inf:
            return True
        if not in_use(room.tables.short) and hopeless(record, bounds[vector]):
            return True
        if exhausted(record):
            record.numbers[PROVEN] = min(record.numbers[PROVEN], bounds[vector])
            return True
        _go_to(board, room, vector)
        if missed[vector] == UNSEEN:
            tight = base + everybody(room.tables.cost, room.rows, room.part.opps)
            bounds[vector] = max(bounds[vector], tight)
            missed[vector] = _least_missed(board, room, span)
            terms = _terms(board, asked, rated, span, room, bounds[vector], temp_c, base, limit)
            if not in_use(room.tables.short) and promising(record, bounds[vector], 0.0):
                _dive(board, asked, rated, span, room, terms, record)
            if span.guess:
                bounds[vector] = math.inf
                guesses -= 1
        elif promising(record, bounds[vector], missed[vector]):
            terms = _terms(board, asked, rated, span, room, bounds[vector], temp_c, base, limit)
            record.counts[VECTORS] += 1
            tables, part, stack, seats = room.tables, room.part, room.stack, room.seats
            if descend(board, asked, rated, tables, terms, part, stack, seats, record):
                bounds[vector] = math.inf
            elif not exhausted(record):
                return False
        else:
            bounds[vector] = math.inf
    return True


@compiled
def _lowest(values: Floats) -> int:
    """The index of the lowest value, the first of several."""
    lowest = 0
    for i in range(1, len(values)):
        if values[i] < values[lowest]:
            lowest = i
    return lowest


@compiled
def _dive(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    span: Slice,
    room: Room,
    terms: Terms,
    record: Record,
) -> None:
    """Look at the tables' best guess at the points at hand."""
    if not dive(board, room.tables, terms, room.part):
        return
    if span.guess:
        guess(board, asked, room.part, room.seats, record)
    else:
        look_at(board, asked, rated, room.part, room.seats, record)


@compiled
def _idle_cost(board: Hardware, rated: Measure) -> float:
    """What an idle board costs at least."""
    cost = rated.offset
    for x in range(len(board.sizes)):
        cost += rated.least_shared * board.idle_shared_w[x]
        cost += rated.least[x] * board.sizes[x] * board.idle_w[x]
    return cost


@compiled
def _go_to(board: Hardware, room: Room, vector: int) -> None:
    """Set the points of the partition, and make their tails known."""
    opps, tables = room.part.opps, room.tables
    unpack(vector, board.points, opps)
    tail_rows(tables.cost, board, opps, room.rows)
    fill_tails(tables.cost, room.rows, board, opps)
    if in_use(tables.short):
        fill_tails(tables.short, room.rows, board, opps)
        fill_tails(tables.load, room.rows, board, opps)


@compiled
def _least_missed(board: Hardware, room: Room, span: Slice) -> float:
    """By how much the targets are missed at the points at least; infinite: not in this slice."""
    tables, opps = room.tables, room.part.opps
    if not in_use(tables.short):
        return 0.0
    if everybody(tables.load, room.rows, opps) > most_load(span):
        return math.inf
    return everybody(tables.short, room.rows, opps)


@compiled
def _terms(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    span: Slice,
    room: Room,
    bound: float,
    temp_c: float,
    base: float,
    limit: float,
) -> Terms:
    """What the tables leave out, at the points at hand."""
    clusters = len(board.sizes)
    if rated.hottest:
        temp_c = max(temp_c, bound - len(asked.home) * rated.move_cost)
    factor = leakage_factor(board.leakage, temp_c)
    leakage_w, core_cost = np.empty(clusters), np.empty(clusters)
    cluster_cost = np.empty(clusters)
    for x in range(clusters):
        o = room.part.opps[x]
        leakage_w[x] = factor * board.leakage_w[x, o]
        core_cost[x] = rated.least[x] * (leakage_w[x] - board.idle_w[x])
        cluster_cost[x] = rated.least_shared * (board.shared_w[x, o] - board.idle_shared_w[x])
    alike = False
    for k in range(len(asked.alike)):
        alike = alike or asked.alike[k] >= 0
    return Terms(core_cost, cluster_cost, leakage_w, base, room.rows, most_load(span), alike, limit)
