"""The divisions of applications between two clusters that no other one undercuts.

On how many cores of each cluster the applications compute, and at which operating points, decides
by far the most about the heat. A division that asks for no less of any of it than another one need
not be rated; of those that ask for the same, the one that moves the fewest is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rm.mapping.seatings import MOST_SHARERS, seatings, taken

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

STAYS = 0.5
"""Who is there already goes there before others who could share a core here with so many less."""

MOST_TABLED = 12
"""Applications whose sets are told apart by a table; of more, by sorting (measured: cheaper)."""


@dataclass(frozen=True)
class Front:
    """R divisions: who goes there (R, K), and the operating points here and there (R,)."""

    there: Flags
    here_opp: Ints
    there_opp: Ints


def front(here: Floats, there: Floats, cores: tuple[int, int], present: Flags) -> Front:
    """All divisions that meet every target and that no other one undercuts.

    `here` (I, K) and `there` (J, K) say with how many an application can share a core of either
    cluster, of so many `cores`. `present` (K,): who is there now.

    For every operating point there, and every way to share its cores, those go there who would take
    most of a core here: what is left needs as few cores here as any division leaves.
    """
    count = here.shape[1]
    ties = (here[len(here) // 2] - STAYS * present) / (4.0 * count)
    mine, theirs = here.astype(np.int64), np.minimum(there, MOST_SHARERS).astype(np.int64)
    here_opp, there_opp = _first_of_equals(mine), _first_of_equals(theirs)
    bears = mine[here_opp]
    orders = (bears + ties).argsort(axis=1, kind="stable")
    away = taken(theirs[there_opp], orders[_first_of_equals(orders)], cores[1])
    names, each = _distinct(away, count)
    apps = np.arange(count)
    stays = (names >> apps[:, None]) & 1 == 0
    level = _levels(bears, orders, stays, cores[0])
    moved = (stays == present[:, None]).sum(axis=0)
    size = (count + 1) * len(names)
    rank = level * size + (moved * len(names) + np.arange(len(names)))
    _, begin = seatings(cores[1], count)
    every = np.ascontiguousarray(rank.T).take(each, axis=0)
    least = np.minimum.reduceat(every, begin, axis=0).min(axis=1).T
    level = least // size
    best = _not_undercut(level, len(bears))
    goes: Flags = (names.take(least[best] % len(names))[:, None] >> apps) & 1 == 1
    return Front(goes, here_opp[level[best]], there_opp[best[1]])


def _distinct(names: Ints, count: int) -> tuple[Ints, Ints]:
    """Some names, below ``2 ** count`` and in any shape, each once; and which of these they are."""
    if count > MOST_TABLED:
        found, each = np.unique(names, return_inverse=True)
        return found, each.reshape(names.shape)
    table = np.zeros(1 << count, dtype=np.int64)
    table[names] = 1
    found = table.nonzero()[0]
    table[found] = np.arange(len(found))
    return found, table.take(names)


def _first_of_equals(rows: Ints) -> Ints:
    """Which rows (of O) are unlike all before them."""
    first: dict[tuple[int, ...], int] = {}
    for at, row in enumerate(map(tuple, rows.tolist())):
        first.setdefault(row, at)
    return np.array(list(first.values()))


def _levels(bears: Ints, orders: Ints, members: Flags, cores: int) -> Ints:
    """The lowest of I operating points (cores + 1, M) at which no, one, ... cores are enough.

    I where none is. `bears` (I, K) is with how many the applications can share a core, `orders`
    (I, K) begins with those that bear the fewest: a core takes as many as the first on it bears.
    """
    places = orders + np.arange(len(bears))[:, None] * bears.shape[1]
    size = np.maximum(bears.take(places), 1).astype(np.int8).T
    member = members.view(np.int8)[orders.T]
    opened = size.repeat(members.shape[1], axis=1).reshape(member.shape)
    room, used = np.zeros((2, *member.shape[1:]), dtype=np.int8)
    for one, fills in zip(member, opened, strict=True):
        fresh = (one > room).view(np.int8)
        used += fresh
        room += fresh * fills
        room -= one
    never = bears == 0
    if never.any():
        used[never.astype(np.float32) @ members.astype(np.float32) > 0.0] = cores + 1
    more = used > np.arange(cores + 1, dtype=np.int8)[:, None, None]
    found: Ints = np.count_nonzero(more, axis=1)
    return found


def _not_undercut(level: Ints, impossible: int) -> tuple[Ints, ...]:
    """Where in a grid no place that is as near along every axis has as low a level."""
    least = np.full([size + 1 for size in level.shape], impossible)
    least[1:, 1:, 1:] = level
    for axis in range(3):
        np.minimum.accumulate(least, axis=axis, out=least)
    others = np.minimum(least[:-1, 1:, 1:], least[1:, :-1, 1:])
    np.minimum(others, least[1:, 1:, :-1], out=others)
    return np.nonzero(level < others)
