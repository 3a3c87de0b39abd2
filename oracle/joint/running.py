"""What comes of any decision, threads and all: missed targets, power, the objective.

The general form of `verdict`, for decisions that are not made of groups of single threads.
"""

from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.contention import left_free, queue_length, slowdown
from oracle.joint.demand import Demand
from oracle.joint.hardware import Floats, Hardware, Ints
from oracle.joint.measure import Measure
from oracle.joint.record import Record
from oracle.joint.steady import steady_value
from oracle.joint.threads import Crowd


class Scratch(NamedTuple):
    """Memory. Axes: t threads, c cores, k applications.

    Per thread its pull, and the times of computing and stalling per instruction; per core the
    share of the memory that it leaves free alone, its power without leakage and its leakage; per
    application its rate.
    """

    pull_s: Floats
    compute_s: Floats
    stall_s: Floats
    left: Floats
    fixed_w: Floats
    leakage_w: Floats
    rate_ips: Floats


@compiled
def scratch(board: Hardware, who: Crowd) -> Scratch:
    """Room for these threads."""
    threads, cores = len(who.app), len(board.heat)
    return Scratch(
        np.empty(threads),
        np.empty(threads),
        np.empty(threads),
        np.empty(cores),
        np.empty(cores),
        np.empty(cores),
        np.empty(len(who.threads)),
    )


@compiled
def run(board: Hardware, asked: Demand, who: Crowd, opps: Ints, room: Scratch) -> float:
    """The sum of missed targets of the threads as they are spread; fills rates and power."""
    queue = _queue(board, asked, who, opps, room)
    for k in range(len(room.rate_ips)):
        room.rate_ips[k] = 0.0
    for c in range(len(room.fixed_w)):
        x = who.owner[c]
        busy = who.load[c] > 0
        room.fixed_w[c] = 0.0 if busy else board.idle_w[x]
        room.leakage_w[c] = board.leakage_w[x, opps[x]] if busy else 0.0
    for t in range(len(who.app)):
        k, c = who.app[t], who.core[t]
        x, share = who.owner[c], 1.0 / who.load[c]
        lengthened = slowdown(room.left[c], queue)
        per_instruction_s = room.compute_s[t] + asked.stall_s[k, x] * lengthened
        room.rate_ips[k] += share / per_instruction_s
        floor, busy_share = board.activity_floor[x], room.compute_s[t] / per_instruction_s
        active = asked.activity[k] * (floor + (1.0 - floor) * busy_share)
        room.fixed_w[c] += share * active * board.dynamic_w[x, opps[x]]
    missed = 0.0
    for k in range(len(room.rate_ips)):
        missed += max(0.0, 1.0 - room.rate_ips[k] / asked.target_ips[k])
    return missed


@compiled
def _queue(board: Hardware, asked: Demand, who: Crowd, opps: Ints, room: Scratch) -> float:
    """The board's queue; fills what every core would leave free of the memory alone."""
    for c in range(len(room.left)):
        room.left[c] = 0.0
    for t in range(len(who.app)):
        k, c = who.app[t], who.core[t]
        x = who.owner[c]
        room.compute_s[t] = asked.compute_s[k, x, opps[x]]
        room.pull_s[t] = asked.pull_s[k] / who.load[c]
        room.left[c] += room.pull_s[t] / (room.compute_s[t] + asked.stall_s[k, x])
    total = heaviest = 0.0
    for c in range(len(room.left)):
        total += room.left[c]
        heaviest = max(heaviest, room.left[c])
        room.left[c] = left_free(room.left[c])
    for t in range(len(who.app)):
        k, c = who.app[t], who.core[t]
        room.stall_s[t] = asked.stall_s[k, who.owner[c]] * room.left[c]
    if heaviest == 0.0:
        return 1.0
    low = 1.0 / left_free(heaviest)
    if heaviest < total:
        return queue_length(room.pull_s, room.compute_s, room.stall_s, low)
    return low


@compiled
def run_value(
    board: Hardware,
    rated: Measure,
    who: Crowd,
    decided: Ints,
    opps: Ints,
    room: Scratch,
    record: Record,
) -> float:
    """The objective of what `run` has filled, migrations paid; infinite if no better."""
    shared_w = 0.0
    for x in range(len(board.sizes)):
        used = False
        for i in range(board.sizes[x]):
            used = used or who.load[board.cores[x, i]] > 0
        shared_w += board.shared_w[x, opps[x]] if used else board.idle_shared_w[x]
    moved = 0.0
    for k in range(len(decided)):
        moved += rated.move_cost * (decided[k] != who.home[k])
    return steady_value(board, rated, room.fixed_w, room.leakage_w, shared_w, moved, record)
