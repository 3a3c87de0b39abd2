"""The best decision so far, what may be given up because of it, and what the search did."""

import math
from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.hardware import Floats, Ints
from oracle.joint.solution import DIGITS

RUNAWAY = 1e9
"""Stands for the objective of a decision that has no steady state: worse than all that have."""

VALUE, SHORTFALL, PROVEN, CAP, SAME = 0, 1, 2, 3, 4
"""Entries of `numbers`: the incumbent's objective and its missed targets; a bound of the objective
of all that was given up; what misses more than `CAP` is worse than the incumbent, what misses at
least `SAME` no better, so that the objective decides."""

NODES, PARTITIONS, SEATINGS, VECTORS, SLICES, VAIN = 0, 1, 2, 3, 4, 5
"""Entries of `counts`: choices tried, complete partitions, complete decisions, vectors of operating
points searched, slices of queues, and choices that a narrower slice could have spared."""

_HALF = 0.5 * 10.0**-DIGITS


class Record(NamedTuple):
    """The incumbent: `cores` (k) and `opps` (x) of the decision, its `numbers`; `counts`.

    What cannot be better by more than `tolerance` is given up; after `budget` nodes all is.
    """

    cores: Ints
    opps: Ints
    numbers: Floats
    counts: Ints
    tolerance: float
    budget: int


def empty_record(
    apps: int, clusters: int, *, shortfall: float, tolerance: float, budget: int
) -> Record:
    """Nothing found yet; only what misses as little as `shortfall` counts."""
    same, cap = edges(shortfall)
    return Record(
        np.full(apps, -1),
        np.zeros(clusters, dtype=np.int64),
        np.array([np.inf, shortfall, np.inf, cap, same]),
        np.zeros(6, dtype=np.int64),
        tolerance,
        budget,
    )


def edges(shortfall: float) -> tuple[float, float]:
    """The least and the largest sum of missed targets that counts as equal.

    >>> edges(0.25)
    (0.2499995, 0.2500005)
    >>> edges(0.0)
    (0.0, 5e-07)
    """
    if shortfall == math.inf:
        return math.inf, math.inf
    middle = round(shortfall, DIGITS)
    return max(0.0, middle - _HALF), middle + _HALF


def rank(record: Record) -> tuple[float, float]:
    """What records are compared by: missed targets first, to `DIGITS`, then the objective."""
    return round(float(record.numbers[SHORTFALL]), DIGITS), float(record.numbers[VALUE])


def anew(record: Record, *, tolerance: float, budget: int) -> Record:
    """A record that begins with the incumbent of another; nothing was given up yet."""
    numbers = record.numbers.copy()
    numbers[PROVEN] = math.inf
    return Record(
        record.cores.copy(),
        record.opps.copy(),
        numbers,
        np.zeros_like(record.counts),
        tolerance,
        budget,
    )


@compiled
def hopeless(record: Record, bound: float) -> bool:
    """Whether what is bounded so from below need not be looked at; notes the bound if so."""
    if bound < record.numbers[VALUE] - record.tolerance:
        return False
    note(record, bound)
    return True


@compiled
def note(record: Record, bound: float) -> None:
    """What is bounded so from below was given up."""
    record.numbers[PROVEN] = min(record.numbers[PROVEN], bound)


@compiled
def promising(record: Record, bound: float, shortfall: float) -> bool:
    """Whether something that costs and misses at least so much may be better than the incumbent.

    What costs too much stays only because it may miss less; a narrower slice may tell better.
    """
    numbers = record.numbers
    if shortfall > numbers[CAP] or bound == math.inf:
        return False
    if bound < numbers[VALUE] - record.tolerance:
        return True
    if shortfall < numbers[SAME]:
        record.counts[VAIN] += 1
        return True
    return not hopeless(record, bound)


@compiled
def misses_less(record: Record, shortfall: float) -> None:
    """A decision was found that misses less: forget the incumbent, and what it ruled out."""
    numbers = record.numbers
    middle = round(shortfall * 10.0**DIGITS) * 10.0**-DIGITS
    numbers[CAP], numbers[SAME] = middle + _HALF, max(0.0, middle - _HALF)
    numbers[VALUE] = numbers[PROVEN] = math.inf
    numbers[SHORTFALL] = shortfall


@compiled
def exhausted(record: Record) -> bool:
    """Whether the budget is spent."""
    return record.counts[NODES] >= record.budget
