"""A complete partition: is it allowed, can it be any good, and how is it seated best."""

import math

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.demand import Demand
from oracle.joint.hardware import Hardware
from oracle.joint.measure import Measure
from oracle.joint.record import (
    CAP,
    PARTITIONS,
    RUNAWAY,
    SAME,
    SHORTFALL,
    VAIN,
    VALUE,
    Record,
    hopeless,
    misses_less,
)
from oracle.joint.seating import Seats, largest_first, least_moves, seat
from oracle.joint.steady import take
from oracle.joint.verdict import Partition, cores_in_use, judge
from oracle.joint.warmth import leakage_factor
from platforms.board import RUNAWAY_C

WAY_DOWN = 4
"""So many choices led to a partition, about."""

_ROUNDS = 4
"""Rounds of leakage and temperature in the bound; each is a valid one."""


@compiled
def look_at(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    part: Partition,
    seats: Seats,
    record: Record,
) -> None:
    """Find the best decision with this partition, if it can beat the record.

    Its queue may be of another slice, where it would be found as well.
    """
    record.counts[PARTITIONS] += 1
    judge(board, asked, part)
    shortfall = part.numbers[0]
    if shortfall > record.numbers[CAP]:
        record.counts[VAIN] += WAY_DOWN
        return
    if shortfall < record.numbers[SAME]:
        misses_less(record, shortfall)
    shared_w = _shared(board, part)
    bound = _bound(board, asked, rated, part, shared_w, seats)
    if not hopeless(record, bound):
        base = rated.offset + rated.weight_shared * shared_w
        seat(board, asked, rated, part, shared_w, base, seats, record)


@compiled
def guess(board: Hardware, asked: Demand, part: Partition, seats: Seats, record: Record) -> None:
    """Remember a partition that misses less than the record; its groups may sit anywhere."""
    judge(board, asked, part)
    if part.numbers[0] < record.numbers[SHORTFALL]:
        _anywhere(board, part, seats)
        record.numbers[VALUE] = math.inf
        take(record, asked, part, seats.at, part.numbers[0])


@compiled
def _anywhere(board: Hardware, part: Partition, seats: Seats) -> None:
    """Seat the groups in the order of the cores."""
    used = np.zeros(len(board.sizes), dtype=np.int64)
    for g in range(part.count[0]):
        x = part.cluster[g]
        seats.at[g] = board.cores[x, used[x]]
        used[x] += 1


@compiled
def _shared(board: Hardware, part: Partition) -> float:
    """The power of the clusters' shared parts, W."""
    shared_w = 0.0
    for x in range(len(board.sizes)):
        busy = cores_in_use(part, x) > 0
        shared_w += board.shared_w[x, part.opps[x]] if busy else board.idle_shared_w[x]
    return shared_w


@compiled
def _bound(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    part: Partition,
    shared_w: float,
    seats: Seats,
) -> float:
    """The objective at least, wherever the groups sit.

    It fills the groups' power at least, and their order.

    In every cluster the largest power cannot do better than the cheapest core, the next one than
    the next, and so on.
    """
    temp_c = _leak(board, rated, part, shared_w, seats)
    largest_first(seats.watts, part.count[0], seats.order)
    if temp_c > RUNAWAY_C:
        return RUNAWAY
    bound = rated.offset + rated.weight_shared * shared_w
    used = np.zeros(len(board.sizes), dtype=np.int64)
    local = 0.0
    for i in range(part.count[0]):
        g = seats.order[i]
        x, watts = part.cluster[g], seats.watts[g]
        bound += rated.ranked[x, used[x]] * watts
        local = max(local, rated.local[x, used[x]] * watts)
        used[x] += 1
        if rated.move_cost > 0.0:
            bound += rated.move_cost * least_moves(board, asked, part.group[g], x)
    for x in range(len(board.sizes)):
        bound += rated.least[x] * board.idle_w[x] * (board.sizes[x] - used[x])
    return bound + local


@compiled
def _leak(
    board: Hardware,
    rated: Measure,
    part: Partition,
    shared_w: float,
    seats: Seats,
) -> float:
    """Add leakage to the groups' power, at a temperature that no core is below; returns that."""
    temp_c = board.ambient_c
    for _ in range(_ROUNDS):
        factor = leakage_factor(board.leakage, temp_c)
        temp_c = board.ambient_c + rated.warmth_shared * shared_w
        for g in range(part.count[0]):
            x = part.cluster[g]
            watts = part.watts[g] + board.leakage_w[x, part.opps[x]] * factor
            temp_c += rated.warmth[x] * watts
    for g in range(part.count[0]):
        x = part.cluster[g]
        leakage_w = board.leakage_w[x, part.opps[x]]
        watts = part.watts[g] + leakage_w * leakage_factor(board.leakage, temp_c)
        own_c = temp_c + rated.local[x, 0] * watts
        seats.watts[g] = part.watts[g] + leakage_w * leakage_factor(board.leakage, own_c)
    return temp_c
