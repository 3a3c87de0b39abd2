"""Decisions one by one: all of them where they are few, else a walk from better to better.

This is for what the exact search has no bounds for: applications with several threads, and more
applications than it has memory for.
"""

import math

import numpy as np

from oracle.joint.compiled import compiled, entry
from oracle.joint.demand import Demand
from oracle.joint.hardware import Floats, Hardware, Ints
from oracle.joint.measure import Measure
from oracle.joint.record import CAP, NODES, SAME, VALUE, Record, exhausted, misses_less
from oracle.joint.running import Scratch, run, run_value, scratch
from oracle.joint.threads import Crowd, spread


@entry
def try_all(board: Hardware, asked: Demand, rated: Measure, who: Crowd, record: Record) -> bool:
    """Every mapping at every vector of operating points; False: the budget was spent before."""
    room = scratch(board, who)
    cursor = np.zeros(len(who.threads), dtype=np.int64)
    decided, opps = cursor.copy(), np.zeros(len(board.sizes), dtype=np.int64)
    while True:
        for k in range(len(decided)):
            decided[k] = who.choices[k, cursor[k]]
        if spread(board, who, decided):
            for x in range(len(opps)):
                opps[x] = 0
            while True:
                if exhausted(record):
                    return False
                _try(board, asked, rated, who, decided, opps, room, record)
                if not _next_points(board, opps):
                    break
        if not _next_mapping(who, cursor):
            return True


@compiled
def _try(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    who: Crowd,
    decided: Ints,
    opps: Ints,
    room: Scratch,
    record: Record,
) -> bool:
    """Keep a decision if it is better than the record; whether it is."""
    record.counts[NODES] += 1
    missed = run(board, asked, who, opps, room)
    if missed > record.numbers[CAP]:
        return False
    if missed < record.numbers[SAME]:
        misses_less(record, missed)
    value = run_value(board, rated, who, decided, opps, room, record)
    if not value < record.numbers[VALUE]:
        return False
    record.numbers[VALUE] = value
    record.cores[:] = decided
    record.opps[:] = opps
    return True


@compiled
def _next_points(board: Hardware, opps: Ints) -> bool:
    """The next vector of operating points; False after the last one."""
    for x in range(len(opps)):
        opps[x] += 1
        if opps[x] < board.points[x]:
            return True
        opps[x] = 0
    return False


@compiled
def _next_mapping(who: Crowd, cursor: Ints) -> bool:
    """The next mapping; False after the last one."""
    for k in range(len(cursor)):
        cursor[k] += 1
        if cursor[k] < who.choices.shape[1] and who.choices[k, cursor[k]] >= 0:
            return True
        cursor[k] = 0
    return False


@entry
def walk(board: Hardware, asked: Demand, rated: Measure, who: Crowd, record: Record) -> None:
    """From one decision to a better one, until none near is better or the budget is spent.

    Near are the decisions that move one application, or swap two, all at the least operating points
    that meet the targets. It starts with the neediest applications on the emptiest strongest cores.
    """
    room = scratch(board, who)
    decided = _start(board, asked, who)
    _settle(board, asked, rated, who, decided, room, record)
    better = True
    while better and not exhausted(record):
        better = False
        for k in range(len(decided)):
            better = _move(board, asked, rated, who, decided, k, room, record) or better
            for other in range(k):
                better = _swap(board, asked, rated, who, decided, k, other, room, record) or better


@compiled
def _start(board: Hardware, asked: Demand, who: Crowd) -> Ints:
    """Every application where the sum of what the neediest need grows least."""
    decided = np.full(len(who.threads), -1)
    need = np.zeros(len(board.heat))
    for _ in range(len(decided)):
        neediest, most = -1, -1.0
        for k in range(len(decided)):
            if decided[k] < 0 and _need(board, asked, who, k, who.choices[k, 0]) > most:
                neediest, most = k, _need(board, asked, who, k, who.choices[k, 0])
        best, least = who.choices[neediest, 0], math.inf
        for i in range(who.choices.shape[1]):
            choice = who.choices[neediest, i]
            if choice >= 0:
                own = _need(board, asked, who, neediest, choice)
                crowded = own + _crowding(board, who, neediest, choice, need)
                if crowded < least:
                    best, least = choice, crowded
        decided[neediest] = best
        _occupy(board, asked, who, neediest, best, need)
    return decided


@compiled
def _need(board: Hardware, asked: Demand, who: Crowd, k: int, choice: int) -> float:
    """The share of each core that an application needs at the highest point, memory idle."""
    single = who.threads[k] == 1
    x = who.owner[choice] if single else choice
    per_instruction_s = asked.compute_s[k, x, board.points[x] - 1] + asked.stall_s[k, x]
    cores = 1 if single else board.sizes[x]
    return float(asked.target_ips[k] * per_instruction_s / cores)


@compiled
def _crowding(board: Hardware, who: Crowd, k: int, choice: int, need: Floats) -> float:
    """What is needed on these cores already, on average; infinite if none may share them."""
    if who.threads[k] == 1:
        total, cores = need[choice], 1
    else:
        total, cores = 0.0, board.sizes[choice]
        for i in range(cores):
            total += need[board.cores[choice, i]]
    return math.inf if who.exclusive and total > 0.0 else total / cores


@compiled
def _occupy(board: Hardware, asked: Demand, who: Crowd, k: int, choice: int, need: Floats) -> None:
    own = _need(board, asked, who, k, choice)
    if who.threads[k] == 1:
        need[choice] += own
        return
    for i in range(board.sizes[choice]):
        need[board.cores[choice, i]] += own


@compiled
def _settle(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    who: Crowd,
    decided: Ints,
    room: Scratch,
    record: Record,
) -> bool:
    """Try a mapping at the least points that meet what can be met; whether it beats the record.

    As in `WhatIf.least_opps`, clusters climb together, each only while one of its own misses. The
    points that miss least on the way count as well.
    """
    if not spread(board, who, decided):
        return False
    opps = np.zeros(len(board.sizes), dtype=np.int64)
    better = False
    while True:
        better = _try(board, asked, rated, who, decided, opps, room, record) or better
        late = np.zeros(len(opps), dtype=np.bool_)
        for t in range(len(who.app)):
            k = who.app[t]
            if room.rate_ips[k] < asked.target_ips[k]:
                late[who.owner[who.core[t]]] = True
        climbing = False
        for x in range(len(opps)):
            if late[x] and opps[x] + 1 < board.points[x]:
                opps[x] += 1
                climbing = True
        if not climbing:
            return better


@compiled
def _move(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    who: Crowd,
    decided: Ints,
    k: int,
    room: Scratch,
    record: Record,
) -> bool:
    """Put an application where it is best, the others staying; whether that is elsewhere."""
    before, better = decided[k], False
    best = before
    for i in range(who.choices.shape[1]):
        choice = who.choices[k, i]
        if choice >= 0 and choice != best:
            decided[k] = choice
            if _settle(board, asked, rated, who, decided, room, record):
                best, better = choice, True
    decided[k] = best
    return better


@compiled
def _swap(
    board: Hardware,
    asked: Demand,
    rated: Measure,
    who: Crowd,
    decided: Ints,
    k: int,
    other: int,
    room: Scratch,
    record: Record,
) -> bool:
    """Swap two applications with one thread each if that is better; whether it is."""
    if who.threads[k] > 1 or who.threads[other] > 1 or decided[k] == decided[other]:
        return False
    if not (_may(who, k, decided[other]) and _may(who, other, decided[k])):
        return False
    decided[k], decided[other] = decided[other], decided[k]
    if _settle(board, asked, rated, who, decided, room, record):
        return True
    decided[k], decided[other] = decided[other], decided[k]
    return False


@compiled
def _may(who: Crowd, k: int, choice: int) -> bool:
    """Whether an application may be put there."""
    for i in range(who.choices.shape[1]):  # noqa: SIM110 (generators do not compile)
        if who.choices[k, i] == choice:
            return True
    return False
