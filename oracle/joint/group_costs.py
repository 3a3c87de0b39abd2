"""What a group of applications that share one core brings at least, at one operating point.

A group is a bit mask of applications. In a slice of queues its speed follows from the lower end;
its activity and the load that it puts on the memory from the upper one, where its stalls are
longest. Who meets his target computes for at least ``target * compute_s`` of the time, however long
the others keep him waiting.
"""

import math
from typing import NamedTuple

from oracle.joint.compiled import compiled
from oracle.joint.contention import left_free, slowdown
from oracle.joint.demand import Demand
from oracle.joint.hardware import Hardware, Ints


class Slice(NamedTuple):
    """A span of queues, how much all targets together may be missed in it, and what counts.

    `guess`: the search is for any decision that misses little.
    """

    low: float
    high: float
    cap: float
    guess: bool


class Group(NamedTuple):
    """What a group brings at least: power without leakage, missed targets, load of the memory."""

    watts: float
    short: float
    load: float


@compiled
def members(group: int, into: Ints) -> int:
    """Write the applications of a group into `into`; returns how many."""
    count = k = 0
    while group >> k:
        if group >> k & 1:
            into[count] = k
            count += 1
        k += 1
    return count


@compiled
def own_load(asked: Demand, who: Ints, count: int, x: int, o: int) -> float:
    """The memory's load by a group were nobody else on the board."""
    load = 0.0
    for i in range(count):
        k = who[i]
        load += asked.pull_s[k] / (asked.compute_s[k, x, o] + asked.stall_s[k, x])
    return load / count


@compiled
def group_costs(
    board: Hardware,
    asked: Demand,
    span: Slice,
    who: Ints,
    count: int,
    alone: float,
    x: int,
    o: int,
) -> Group:
    """What the first `count` applications of `who` bring; infinite if they miss too much.

    `alone` is the load of the memory by them were nobody else on the board.
    """
    if not _may_share(asked, who, count, x):
        return Group(math.inf, math.inf, math.inf)
    left = left_free(alone)
    least, longest = slowdown(left, span.low), slowdown(left, span.high)
    floor = board.activity_floor[x]
    meeting = 1.0 - min(span.cap, 1.0)
    active = short = load = 0.0
    for i in range(count):
        k = who[i]
        compute_s, stall_s = asked.compute_s[k, x, o], asked.stall_s[k, x]
        needed = count * asked.target_ips[k]
        taken = needed * (compute_s + stall_s * least)
        if taken > 1.0:
            short += 1.0 - 1.0 / taken
            if short > span.cap:
                return Group(math.inf, math.inf, math.inf)
        rate_ips = 1.0 / (compute_s + stall_s * longest)
        busy = compute_s * max(rate_ips, needed * meeting)
        active += asked.activity[k] * (floor + (1.0 - floor) * min(1.0, busy))
        load += asked.pull_s[k] * rate_ips
    return Group(active / count * board.dynamic_w[x, o], short, load / count)


@compiled
def _may_share(asked: Demand, who: Ints, count: int, x: int) -> bool:
    """Whether a group may be on a core of the cluster at all."""
    if count > asked.most_sharing:
        return False
    for i in range(count):  # noqa: SIM110 (generators do not compile)
        if not asked.allowed[who[i], x]:
            return False
    return True


@compiled
def most_sharing(board: Hardware, asked: Demand, span: Slice, x: int, o: int) -> int:
    """No group of more stays within `span.cap` on a core of the cluster.

    An application that shares with n-1 others misses its target by at least ``1 - alone / n``. A
    guess need not crowd cores.
    """
    most = asked.most_sharing
    if span.guess:
        crowd = (len(asked.target_ips) + len(board.heat) - 1) // len(board.heat)
        most = min(most, crowd + 2)
    if span.cap >= 1.0:
        return most
    largest = 0
    for k in range(len(asked.target_ips)):
        alone = 1.0 / (asked.compute_s[k, x, o] + asked.stall_s[k, x]) / asked.target_ips[k]
        largest = max(largest, int(alone / (1.0 - span.cap) * (1.0 + 1e-9)))
    return min(largest, most)
