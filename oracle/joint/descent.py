"""All partitions at one vector of operating points that could still beat the record.

Depth first. Cluster by cluster: which applications it serves and with how many cores, then group by
group, always that of the lowest application left. What is decided brings what the tables say, what
is not decided brings at least the least that they know.
"""

import math
from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.demand import Demand
from oracle.joint.hardware import Floats, Hardware, Ints
from oracle.joint.layer import in_use
from oracle.joint.leaf import look_at
from oracle.joint.measure import Measure
from oracle.joint.record import CAP, NODES, VAIN, VALUE, Record, exhausted, note, promising
from oracle.joint.seating import Seats
from oracle.joint.tables import Tables
from oracle.joint.verdict import Partition, add_group

SPLIT = -1
"""`Stack.here` where the applications of the cluster are still to be chosen."""


class Stack(NamedTuple):
    """The choices on the way down, by depth.

    `cluster` is the one at hand, `later` the applications for the clusters behind it (and for it,
    while it is to be chosen: `here` is `SPLIT`), `here` those still to be grouped, into `left`
    groups. `cursor` and `number` say where the enumeration stands, `groups` counts the groups made.
    `cost`, `short`, `load` and `local` are what is decided: the objective without the hottest
    group's own part, the missed targets, the memory's load, and that part.
    """

    cluster: Ints
    later: Ints
    here: Ints
    left: Ints
    cursor: Ints
    number: Ints
    groups: Ints
    cost: Floats
    short: Floats
    load: Floats
    local: Floats


class Terms(NamedTuple):
    """What the tables leave out, at the vector at hand and in the slice at hand.

    `core_cost` (x) and `cluster_cost` (x) are what a core and a cluster in use cost, `leakage_w`
    (x) a core's leakage, `base` what an idle board costs. `rows` (x) are the tails of the clusters
    from x on. Above `most_load` a decision is of another slice. `alike`: some applications differ
    in nothing. The search gives up at `limit` choices made in vain.
    """

    core_cost: Floats
    cluster_cost: Floats
    leakage_w: Floats
    base: float
    rows: Ints
    most_load: float
    alike: bool
    limit: float


def empty_stack(board: Hardware) -> Stack:
    """Room for a frame per cluster, per core, and the end."""
    deepest = len(board.heat) + len(board.sizes) + 2
    return Stack(*np.zeros((7, deepest), dtype=np.int64), *np.zeros((4, deepest)))


@compiled
def descend(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    tables: Tables,
    terms: Terms,
    part: Partition,
    stack: Stack,
    seats: Seats,
    record: Record,
) -> bool:
    """Look at all partitions at the points `part.opps` that could beat the record.

    False: given up before that was done.
    """
    stack.groups[0] = 0
    stack.cost[0], stack.short[0], stack.load[0], stack.local[0] = terms.base, 0.0, 0.0, 0.0
    _open(stack, 0, 0, len(tables.sizes) - 1)
    depth = int(np.int64(0))  # a bare 0 would compile everything below a second time
    while depth >= 0:
        if exhausted(record) or record.counts[VAIN] >= terms.limit:
            return False
        if stack.here[depth] == SPLIT:
            found = _next_split(board, asked, rated, tables, terms, part, stack, depth, record)
        else:
            found = _next_group(board, asked, rated, tables, terms, part, stack, depth, record)
        if not found:
            depth -= 1
            continue
        depth += 1
        record.counts[NODES] += 1
        if stack.cluster[depth] == len(board.sizes):
            part.count[0] = stack.groups[depth]
            look_at(board, asked, rated, part, seats, record)
            depth -= 1
    return True


@compiled
def _open(stack: Stack, depth: int, cluster: int, later: int) -> None:
    """Begin with a cluster: all subsets of what is left may be its own."""
    stack.cluster[depth], stack.later[depth] = cluster, later
    stack.here[depth], stack.left[depth] = SPLIT, 0
    stack.cursor[depth], stack.number[depth] = later, 0


@compiled
def _next_split(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    tables: Tables,
    terms: Terms,
    part: Partition,
    stack: Stack,
    depth: int,
    record: Record,
) -> bool:
    """The next set and number of cores for the cluster, as the frame below; False: none is left."""
    x, whole = stack.cluster[depth], stack.later[depth]
    o, row = part.opps[x], terms.rows[x + 1]
    while True:
        if stack.number[depth] == 0 and not _next_set(tables, terms, stack, depth, x, o, record):
            return False
        own = stack.cursor[depth]
        if own == 0:
            _pass_on(stack, depth, whole)
            _below(stack, depth)
            _open(stack, depth + 1, x + 1, whole)
            return True
        stack.number[depth] += 1
        m = stack.number[depth]
        if m > board.sizes[x] or (terms.alike and not _in_order(asked.alike, own, whole)):
            _pass_on(stack, depth, whole)
            continue
        parts = tables.cost.parts[x, o, m, own]
        cost = stack.cost[depth] + terms.cluster_cost[x]
        bound = cost + parts + m * terms.core_cost[x] + tables.cost.tails[row, whole ^ own]
        local = stack.local[depth]
        if rated.hottest and rated.move_cost == 0.0:
            mean_w = parts / rated.least[x] / m + terms.leakage_w[x]
            local = max(local, rated.local[x, 0] * mean_w)
        short, load, later = stack.short[depth], stack.load[depth], whole ^ own
        if not _may_do(tables, row, x, o, m, own, later, short, load, bound + local, terms, record):
            continue
        _below(stack, depth)
        stack.cost[depth + 1] = cost
        stack.cluster[depth + 1], stack.later[depth + 1] = x, whole ^ own
        stack.here[depth + 1], stack.left[depth + 1] = own, m
        stack.cursor[depth + 1] = own & (own - 1)
        return True


@compiled
def _next_set(
    tables: Tables, terms: Terms, stack: Stack, depth: int, x: int, o: int, record: Record
) -> bool:
    """Move the cursor to the next set for the cluster that may do; False: there is none."""
    row, whole = terms.rows[x + 1], stack.later[depth]
    if in_use(tables.short):
        spare = record.numbers[CAP] - stack.short[depth]
        own, rest = tables.short.served[x, o], tables.short.tails[row]
        stack.cursor[depth], _ = scan(own, rest, 0, whole, stack.cursor[depth], spare)
    else:
        decided = stack.cost[depth] + stack.local[depth]
        spare = record.numbers[VALUE] - record.tolerance - decided
        own, rest = tables.cost.served[x, o], tables.cost.tails[row]
        stack.cursor[depth], least = scan(own, rest, 0, whole, stack.cursor[depth], spare)
        note(record, decided + least)
    return stack.cursor[depth] >= 0


@compiled
def scan(
    first: Floats, rest: Floats, always: int, whole: int, cursor: int, spare: float
) -> tuple[int, float]:
    """The next subset of `whole`, from `cursor` down, that brings at most `spare`; -1: none.

    It brings `first` together with `always`, and the others of `whole` bring `rest`. Also the least
    that was passed over.
    """
    least = math.inf
    while cursor >= 0:
        brings = first[always | cursor] + rest[whole ^ cursor]
        if brings <= spare and brings < math.inf:
            break
        least = min(least, brings)
        cursor = (cursor - 1) & whole if cursor else -1
    return cursor, least


@compiled
def _may_do(
    tables: Tables,
    row: int,
    x: int,
    o: int,
    m: int,
    own: int,
    later: int,
    short: float,
    load: float,
    bound: float,
    terms: Terms,
    record: Record,
) -> bool:
    """Whether the set `own` in m groups, the set `later` behind them, may beat the record.

    `short` and `load` are what is decided already, `bound` what all costs at least.
    """
    if not in_use(tables.short):
        return promising(record, bound, 0.0)
    load += tables.load.parts[x, o, m, own] + tables.load.tails[row, later]
    short += tables.short.parts[x, o, m, own] + tables.short.tails[row, later]
    return load <= terms.most_load and promising(record, bound, short)


@compiled
def _pass_on(stack: Stack, depth: int, whole: int) -> None:
    """To the next smaller subset; -1 after the empty one."""
    own = stack.cursor[depth]
    stack.cursor[depth] = (own - 1) & whole if own else -1
    stack.number[depth] = 0


@compiled
def _below(stack: Stack, depth: int) -> None:
    """The frame below starts with what is decided so far."""
    stack.cost[depth + 1] = stack.cost[depth]
    stack.short[depth + 1] = stack.short[depth]
    stack.load[depth + 1] = stack.load[depth]
    stack.local[depth + 1] = stack.local[depth]
    stack.groups[depth + 1] = stack.groups[depth]


@compiled
def _next_group(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    tables: Tables,
    terms: Terms,
    part: Partition,
    stack: Stack,
    depth: int,
    record: Record,
) -> bool:
    """The next group with the lowest application left, as the frame below; False: none is left.

    The cursor holds the others of the group; it runs through the subsets, -1 after the empty one.
    """
    x, here, left = stack.cluster[depth], stack.here[depth], stack.left[depth]
    o = part.opps[x]
    lowest = here & -here
    others = here ^ lowest
    row = terms.rows[x + 1]
    later = tables.cost.tails[row, stack.later[depth]]
    later += (left - 1) * terms.core_cost[x]
    decided = stack.cost[depth] + terms.core_cost[x] + later + stack.local[depth]
    while True:
        cursor = stack.cursor[depth]
        if in_use(tables.short):
            first, second = tables.short.groups[x, o], tables.short.parts[x, o, left - 1]
            sub, _ = scan(first, second, lowest, others, cursor, record.numbers[CAP])
        else:
            first, second = tables.cost.groups[x, o], tables.cost.parts[x, o, left - 1]
            spare = record.numbers[VALUE] - record.tolerance - decided
            sub, least = scan(first, second, lowest, others, cursor, spare)
            note(record, decided + least)
        if sub < 0:
            return False
        stack.cursor[depth] = (sub - 1) & others if sub else -1
        group, rest = lowest | sub, others ^ sub
        parts = tables.cost.parts[x, o, left - 1, rest]
        cost = stack.cost[depth] + tables.cost.groups[x, o, group] + terms.core_cost[x]
        watts = tables.watts[x, o, group] + terms.leakage_w[x]
        local = max(stack.local[depth], rated.local[x, 0] * watts)
        bound = cost + parts + later + local
        short, load = stack.short[depth], stack.load[depth]
        if in_use(tables.short):
            short += tables.short.groups[x, o, group]
            load += tables.load.groups[x, o, group]
        behind = stack.later[depth]
        if not _may_do(
            tables, row, x, o, left - 1, rest, behind, short, load, bound, terms, record
        ) or (terms.alike and not _in_order(asked.alike, group, here)):
            continue
        _below(stack, depth)
        stack.cost[depth + 1], stack.local[depth + 1] = cost, local
        stack.short[depth + 1], stack.load[depth + 1] = short, load
        part.count[0] = stack.groups[depth]
        add_group(part, group, x)
        stack.groups[depth + 1] = part.count[0]
        if rest:
            stack.cluster[depth + 1], stack.later[depth + 1] = x, stack.later[depth]
            stack.here[depth + 1], stack.left[depth + 1] = rest, left - 1
            stack.cursor[depth + 1] = rest & (rest - 1)
        else:
            _open(stack, depth + 1, x + 1, stack.later[depth])
        return True


@compiled
def _in_order(alike: Ints, chosen: int, out_of: int) -> bool:
    """Whether of applications that differ in nothing the earlier ones are chosen first."""
    k = 0
    while chosen >> k:
        before = alike[k]
        if chosen >> k & 1 and before >= 0 and out_of >> before & 1 and not chosen >> before & 1:
            return False
        k += 1
    return True
