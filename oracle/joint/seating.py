"""Put the groups of a partition onto the cores of their clusters, and take the best way.

Depth first, the hottest group first, best cooled cores first. With some groups seated, every core
is as warm as these make it, and the rest adds what it adds anywhere in its cluster at least.
"""

from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.demand import Demand
from oracle.joint.group_costs import members
from oracle.joint.hardware import Flags, Floats, Hardware, Ints
from oracle.joint.measure import Measure
from oracle.joint.record import NODES, Record, exhausted, hopeless
from oracle.joint.steady import seated_value, take
from oracle.joint.verdict import Partition, cores_in_use


class Seats(NamedTuple):
    """The state of the enumeration. Axes: g groups, i seated so far, c cores, x clusters.

    `order` (g) is the order of seating, `watts` (g) the power of a group at least, `at` (g) its
    core, `cursor` (i) the next core to try. `rise` (i, c) is the temperature that the seated make,
    `paid` (i) the objective's part of them, `moved` (i) what their migrations cost. `rest_w` (i, x)
    is the power still to be seated, `rest_cost` (i) its part of the objective at least, and
    `rest_moved` (i) what its migrations cost at least.
    """

    order: Ints
    watts: Floats
    at: Ints
    cursor: Ints
    rise: Floats
    paid: Floats
    moved: Floats
    rest_w: Floats
    rest_cost: Floats
    rest_moved: Floats


def empty_seats(board: Hardware) -> Seats:
    """Room for a group on every core."""
    clusters, cores = len(board.sizes), len(board.heat)
    return Seats(
        np.zeros(cores, dtype=np.int64),
        np.zeros(cores),
        np.full(cores, -1),
        np.zeros(cores + 1, dtype=np.int64),
        np.zeros((cores + 1, cores)),
        np.zeros(cores + 1),
        np.zeros(cores + 1),
        np.zeros((cores + 1, clusters)),
        np.zeros(cores + 1),
        np.zeros(cores + 1),
    )


@compiled
def seat(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    part: Partition,
    shared_w: float,
    base: float,
    seats: Seats,
    record: Record,
) -> None:
    """Look for a better decision than the record's among the ways to seat this partition.

    `seats.watts` must hold the groups' power at least, `seats.order` the largest first, `base` what
    the objective is without cores.
    """
    count = part.count[0]
    _prepare(board, asked, rated, part, shared_w, base, seats)
    taken = np.zeros(len(board.heat), dtype=np.bool_)
    depth = int(np.int64(0))  # a bare 0 would compile everything below a second time
    seats.cursor[0] = 0
    while depth >= 0:
        g = seats.order[depth]
        if seats.at[g] >= 0:
            taken[seats.at[g]] = False
            seats.at[g] = -1
        core = _next_core(board, part.cluster[g], taken, seats.cursor, depth)
        if core < 0 or exhausted(record):
            depth -= 1
            continue
        record.counts[NODES] += 1
        if hopeless(record, _sit(board, asked, rated, part, seats, depth, core)):
            continue
        seats.at[g], taken[core] = core, True
        if depth + 1 < count:
            depth += 1
            seats.cursor[depth] = 0
        else:
            moved = seats.moved[count]
            value = seated_value(board, rated, part, shared_w, seats.at, moved, record)
            take(record, asked, part, seats.at, value)


@compiled
def largest_first(values: Floats, count: int, order: Ints) -> None:
    """``order[:count]``: the indices of the first `count` values, the largest first."""
    for i in range(count):
        j = i
        while j > 0 and values[order[j - 1]] < values[i]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i


@compiled
def _next_core(board: Hardware, x: int, taken: Flags, cursor: Ints, depth: int) -> int:
    """The next free core of the cluster, or -1."""
    while cursor[depth] < board.sizes[x]:
        core = board.cores[x, cursor[depth]]
        cursor[depth] += 1
        if not taken[core]:
            return int(core)
    return -1


@compiled
def _prepare(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    part: Partition,
    shared_w: float,
    base: float,
    seats: Seats,
) -> None:
    """Fill the bounds of what is still to be seated, from the last group to the first."""
    for g in range(len(seats.at)):
        seats.at[g] = -1
    seats.rise[0] = board.ambient_c + board.heat_shared * shared_w
    seats.paid[0], seats.moved[0] = base, 0.0
    count = part.count[0]
    seats.rest_cost[count] = seats.rest_moved[count] = 0.0
    for x in range(len(board.sizes)):
        idle = board.sizes[x] - cores_in_use(part, x)
        seats.rest_w[count, x] = idle * board.idle_w[x]
        seats.rest_cost[count] += rated.least[x] * seats.rest_w[count, x]
    for i in range(count - 1, -1, -1):
        g = seats.order[i]
        x = part.cluster[g]
        seats.rest_w[i] = seats.rest_w[i + 1]
        seats.rest_w[i, x] += seats.watts[g]
        seats.rest_cost[i] = seats.rest_cost[i + 1] + rated.least[x] * seats.watts[g]
        seats.rest_moved[i] = seats.rest_moved[i + 1]
        if rated.move_cost > 0.0:
            seats.rest_moved[i] += rated.move_cost * least_moves(board, asked, part.group[g], x)


@compiled
def _sit(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    part: Partition,
    seats: Seats,
    depth: int,
    core: int,
) -> float:
    """Seat a group; returns what the objective is at least then."""
    g = seats.order[depth]
    watts = seats.watts[g]
    seats.moved[depth + 1] = seats.moved[depth]
    if rated.move_cost > 0.0:
        seats.moved[depth + 1] += rated.move_cost * moves(asked, part.group[g], core)
    moved = seats.moved[depth + 1] + seats.rest_moved[depth + 1]
    if not rated.hottest:
        seats.paid[depth + 1] = seats.paid[depth] + rated.weight[core] * watts
        return seats.paid[depth + 1] + seats.rest_cost[depth + 1] + moved
    hottest = 0.0
    for c in range(len(board.heat)):
        seats.rise[depth + 1, c] = seats.rise[depth, c] + board.heat[c, core] * watts
        warm = seats.rise[depth + 1, c]
        for x in range(len(board.sizes)):
            warm += board.reach[c, x] * seats.rest_w[depth + 1, x]
        hottest = max(hottest, warm)
    return hottest + moved


@compiled
def moves(asked: Demand, group: int, core: int) -> int:
    """How many of a group are on another core now."""
    count = k = 0
    while group >> k:
        if group >> k & 1 and asked.home[k] != core:
            count += 1
        k += 1
    return count


@compiled
def least_moves(board: Hardware, asked: Demand, group: int, x: int) -> int:
    """How many of a group must move at least to be on the cluster."""
    who = np.empty(len(asked.home), dtype=np.int64)
    least = members(group, who)
    for i in range(board.sizes[x]):
        least = min(least, moves(asked, group, board.cores[x, i]))
    return least
