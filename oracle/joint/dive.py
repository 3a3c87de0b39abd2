"""A first decision at a vector of operating points: the partition that the tables think best."""

import math

from oracle.joint.compiled import compiled
from oracle.joint.descent import Terms
from oracle.joint.hardware import Hardware
from oracle.joint.layer import Layer
from oracle.joint.tables import Tables
from oracle.joint.verdict import Partition, add_group


@compiled
def dive(board: Hardware, tables: Tables, terms: Terms, part: Partition) -> bool:
    """Make the partition of the least bound at the points `part.opps`; False: there is none."""
    left = len(tables.sizes) - 1
    part.count[0] = 0
    for x in range(len(board.sizes)):
        o = part.opps[x]
        own, cores = _best_set(board, tables, terms, x, o, left)
        if cores < 0:
            return False
        left ^= own
        while cores:
            group = _best_group(tables.cost, x, o, cores - 1, own)
            add_group(part, group, x)
            own ^= group
            cores -= 1
    return True


@compiled
def _best_set(
    board: Hardware, tables: Tables, terms: Terms, x: int, o: int, left: int
) -> tuple[int, int]:
    """Which of those left the cluster serves, and with how many cores; -1: there is no way."""
    tail = tables.cost.tails[terms.rows[x + 1]]
    best, own = tables.cost.served[x, o, 0] + tail[left], 0
    cores = 0 if best < math.inf else -1
    sub = left
    while sub:
        for m in range(1, board.sizes[x] + 1):
            extra = m * terms.core_cost[x] + terms.cluster_cost[x]
            cost = tables.cost.parts[x, o, m, sub] + extra + tail[left ^ sub]
            if cost < best:
                best, own, cores = cost, sub, m
        sub = (sub - 1) & left
    return own, cores


@compiled
def _best_group(layer: Layer, x: int, o: int, rest: int, own: int) -> int:
    """The group of the lowest application of `own` that is cheapest with `rest` other groups."""
    lowest = own & -own
    others = own ^ lowest
    best, chosen = math.inf, own
    sub = others
    while True:
        cost = layer.groups[x, o, lowest | sub] + layer.parts[x, o, rest, others ^ sub]
        if cost < best:
            best, chosen = cost, lowest | sub
        if sub == 0:
            return chosen
        sub = (sub - 1) & others
