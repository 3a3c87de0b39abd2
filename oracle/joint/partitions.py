"""The least cost of serving a set of applications with the cores of a cluster, set by set.

A dynamic programme over bit masks: the group of the lowest application is any subset that holds it,
the rest is served by one core less. That is at most ``3^n / 2`` steps per core. `served` lets the
number of cores go, `joined` serves a set by a whole tail of clusters.
"""

import math

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.hardware import Floats, Ints


@compiled
def by_cores(groups: Floats, cores: int, most: int, sizes: Ints, into: Floats) -> None:
    """``into[m, A]``: the least cost of set A in exactly m groups, one group A of cost `groups[A]`.

    `most` is the largest group of finite cost, `sizes[A]` how many applications A holds.
    """
    for m in range(cores + 1):
        for a in range(len(groups)):
            into[m, a] = groups[a] if m == 1 else math.inf
    into[0, 0], into[1, 0] = 0.0, math.inf
    for m in range(2, cores + 1):
        for whole in range(1, len(groups)):
            if m <= sizes[whole] <= m * most:
                into[m, whole] = _split(groups, into[m - 1], whole)


@compiled
def _split(groups: Floats, rest: Floats, whole: int) -> float:
    """The cheapest group with the lowest application of `whole`, and the rest."""
    lowest = whole & -whole
    others = whole ^ lowest
    best = math.inf
    sub = others
    while sub:
        sub = (sub - 1) & others
        best = min(best, groups[lowest | sub] + rest[others ^ sub])
    return best


@compiled
def served(
    parts: Floats, cores: int, core_cost: float, cluster_cost: float, nobody: float, into: Floats
) -> None:
    """``into[A]``: the least cost of set A on the cluster, each core and the cluster in use paid.

    `nobody` is the cost of the empty set.
    """
    for a in range(len(into)):
        into[a] = math.inf
    for m in range(1, cores + 1):
        extra = m * core_cost + cluster_cost
        for a in range(1, len(into)):
            into[a] = min(into[a], parts[m, a] + extra)
    into[0] = nobody


@compiled
def joined(first: Floats, tail: Floats, into: Floats) -> None:
    """``into[A]``: the least cost of set A, some of it on `first`, the rest on `tail`."""
    for whole in range(len(into)):
        best = first[whole] + tail[0]
        sub = whole
        while sub:
            sub = (sub - 1) & whole
            best = min(best, first[sub] + tail[whole ^ sub])
        into[whole] = best


@compiled
def joined_at(first: Floats, tail: Floats, whole: int) -> float:
    """`joined` at one set."""
    best = first[whole] + tail[0]
    sub = whole
    while sub:
        sub = (sub - 1) & whole
        best = min(best, first[sub] + tail[whole ^ sub])
    return best


def set_sizes(count: int) -> Ints:
    """How many applications every set out of `count` holds.

    >>> set_sizes(2).tolist()
    [0, 1, 1, 2]
    """
    sizes = np.zeros(1, dtype=np.int64)
    for _ in range(count):
        sizes = np.concatenate([sizes, sizes + 1])
    return sizes
