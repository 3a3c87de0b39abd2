"""The objective of a complete decision: leakage and temperature brought to agree.

The iteration starts below every solution and climbs to the lowest one, as
`platforms.simulated.equilibrium` does; so each round is a lower bound and it can stop as soon as
that is too high.
"""

import math

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.demand import Demand
from oracle.joint.hardware import Floats, Hardware, Ints
from oracle.joint.measure import Measure
from oracle.joint.record import RUNAWAY, SEATINGS, SHORTFALL, VALUE, Record, hopeless
from oracle.joint.verdict import Partition
from oracle.joint.warmth import leakage_factor
from platforms.board import RUNAWAY_C

_SETTLED_K = 1e-10
"""The iteration ends when no core moves by more."""

_ROUNDS = 20_000
"""Where feedback is close to 1 it needs many; one that needs more counts as thermal runaway."""


@compiled
def steady_value(
    board: Hardware,
    rated: Measure,
    fixed_w: Floats,
    leakage_w: Floats,
    shared_w: float,
    moved: float,
    record: Record,
) -> float:
    """The objective of a decision, `moved` added; infinite where it is no better than the record.

    `fixed_w` is every core's power without leakage, `leakage_w` its leakage at the reference
    temperature, `shared_w` that of the clusters' shared parts. `RUNAWAY` where there is no steady
    state.
    """
    record.counts[SEATINGS] += 1
    cores = len(fixed_w)
    temp_c, watts = np.empty(cores), fixed_w.copy()
    for c in range(cores):
        temp_c[c] = board.ambient_c + board.heat_shared[c] * shared_w
        for d in range(cores):
            temp_c[c] += board.heat[c, d] * fixed_w[d]
    for _ in range(_ROUNDS):
        step_k = _leak(board, fixed_w, leakage_w, temp_c, watts)
        if _hottest(temp_c) > RUNAWAY_C:
            return math.inf if hopeless(record, RUNAWAY) else RUNAWAY
        value = _objective(rated, temp_c, watts, shared_w) + moved
        if hopeless(record, value):
            return math.inf
        if step_k < _SETTLED_K:
            return value
    return RUNAWAY


@compiled
def seated_value(
    board: Hardware,
    rated: Measure,
    part: Partition,
    shared_w: float,
    at: Ints,
    moved: float,
    record: Record,
) -> float:
    """`steady_value` with every group of a partition at its core."""
    cores = len(board.heat)
    fixed_w, leakage_w = np.zeros(cores), np.zeros(cores)
    for x in range(len(board.sizes)):
        for i in range(board.sizes[x]):
            fixed_w[board.cores[x, i]] = board.idle_w[x]
    for g in range(part.count[0]):
        x = part.cluster[g]
        fixed_w[at[g]] = part.watts[g]
        leakage_w[at[g]] = board.leakage_w[x, part.opps[x]]
    return steady_value(board, rated, fixed_w, leakage_w, shared_w, moved, record)


@compiled
def _leak(
    board: Hardware, fixed_w: Floats, leakage_w: Floats, temp_c: Floats, watts: Floats
) -> float:
    """One round: power at these temperatures, then temperatures at this power; the largest step."""
    cores = len(temp_c)
    step_k = 0.0
    for c in range(cores):
        watts_now = fixed_w[c]
        if leakage_w[c] > 0.0:
            watts_now += leakage_w[c] * leakage_factor(board.leakage, temp_c[c])
        added_w = watts_now - watts[c]
        if added_w != 0.0:
            watts[c] = watts_now
            for d in range(cores):
                temp_c[d] += board.heat[d, c] * added_w
            step_k = max(step_k, board.heat[c, c] * abs(added_w))
    return step_k


@compiled
def _objective(rated: Measure, temp_c: Floats, watts: Floats, shared_w: float) -> float:
    if rated.hottest:
        return _hottest(temp_c)
    cost = rated.offset + rated.weight_shared * shared_w
    for c in range(len(watts)):
        cost += rated.weight[c] * watts[c]
    return cost


@compiled
def _hottest(temp_c: Floats) -> float:
    hottest = -math.inf
    for temp in temp_c:
        hottest = max(hottest, temp)
    return hottest


@compiled
def take(record: Record, asked: Demand, part: Partition, at: Ints, value: float) -> None:
    """Remember a decision if it is better than the record's."""
    if not value < record.numbers[VALUE]:
        return
    record.numbers[VALUE], record.numbers[SHORTFALL] = value, part.numbers[0]
    for x in range(len(part.opps)):
        record.opps[x] = part.opps[x]
    for g in range(part.count[0]):
        for k in range(len(asked.home)):
            if part.group[g] >> k & 1:
                record.cores[k] = at[g]
