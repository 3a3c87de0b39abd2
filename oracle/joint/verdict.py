"""What comes of a complete partition, exactly: the queue, the missed targets, the groups' power.

Where the groups are placed within their clusters makes no difference to any of it.
"""

from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.contention import left_free, queue_length, slowdown
from oracle.joint.demand import Demand
from oracle.joint.group_costs import members, own_load
from oracle.joint.hardware import Floats, Hardware, Ints


class Partition(NamedTuple):
    """Groups on clusters. `group` and `cluster` (g): the first `count[0]` of them; `opps` (x).

    `watts` (g) is what the groups take without leakage, `numbers[0]` the missed targets' sum.
    """

    count: Ints  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    group: Ints
    cluster: Ints
    opps: Ints
    watts: Floats
    numbers: Floats


def empty_partition(cores: int, clusters: int) -> Partition:
    """Room for a group per core."""
    return Partition(
        np.zeros(1, dtype=np.int64),
        np.zeros(cores, dtype=np.int64),
        np.zeros(cores, dtype=np.int64),
        np.zeros(clusters, dtype=np.int64),
        np.zeros(cores),
        np.zeros(1),
    )


@compiled
def add_group(part: Partition, group: int, x: int) -> None:
    """Put one more group onto the cluster."""
    count = part.count[0]
    part.group[count], part.cluster[count] = group, x
    part.count[0] = count + 1


@compiled
def cores_in_use(part: Partition, x: int) -> int:
    """How many groups are on the cluster."""
    used = 0
    for g in range(part.count[0]):
        used += part.cluster[g] == x
    return used


@compiled
def judge(board: Hardware, asked: Demand, part: Partition) -> None:
    """Fill `watts` and `numbers` of a partition."""
    who = np.empty(len(asked.target_ips), dtype=np.int64)
    left = np.empty(part.count[0])
    queue = _queue(asked, part, who, left)
    shortfall = 0.0
    for g in range(part.count[0]):
        lengthened = slowdown(left[g], queue)
        shortfall += _run(board, asked, part, g, who, lengthened)
    part.numbers[0] = shortfall


@compiled
def _queue(asked: Demand, part: Partition, who: Ints, left: Floats) -> float:
    """The board's queue; fills the share of the bandwidth that every group would leave free."""
    apps = len(asked.target_ips)
    pulls, compute_s, stall_s = np.empty(apps), np.empty(apps), np.empty(apps)
    total = heaviest = 0.0
    i = 0
    for g in range(part.count[0]):
        x = part.cluster[g]
        o = part.opps[x]
        size = members(part.group[g], who)
        load = own_load(asked, who, size, x, o)
        left[g] = left_free(load)
        total += load
        heaviest = max(heaviest, load)
        for j in range(size):
            k = who[j]
            pulls[i], compute_s[i] = asked.pull_s[k] / size, asked.compute_s[k, x, o]
            stall_s[i] = asked.stall_s[k, x] * left[g]
            i += 1
    if heaviest == 0.0:
        return 1.0
    low = 1.0 / left_free(heaviest)
    return queue_length(pulls, compute_s, stall_s, low) if heaviest < total else low


@compiled
def _run(
    board: Hardware, asked: Demand, part: Partition, g: int, who: Ints, lengthened: float
) -> float:
    """The group's missed targets; fills its power."""
    x = part.cluster[g]
    o, floor = part.opps[x], board.activity_floor[x]
    size = members(part.group[g], who)
    shortfall = active = 0.0
    for j in range(size):
        k = who[j]
        compute_s = asked.compute_s[k, x, o]
        per_instruction_s = compute_s + asked.stall_s[k, x] * lengthened
        shortfall += max(0.0, 1.0 - 1.0 / (size * per_instruction_s * asked.target_ips[k]))
        busy = compute_s / per_instruction_s
        active += asked.activity[k] * (floor + (1.0 - floor) * busy)
    part.watts[g] = active / size * board.dynamic_w[x, o]
    return shortfall
