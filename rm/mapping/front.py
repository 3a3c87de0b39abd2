"""The divisions of applications between two clusters that no other one undercuts.

On how many cores of each cluster the applications compute, and at which operating points, decides
by far the most about the heat. A division that asks for no less of any of it than another one need
not be rated; of those that ask for the same, the one that moves the fewest is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rm.mapping.seatings import seatings, taken

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

STAYS = 0.5
"""Who is there already goes there before others who could share a core here with so many less."""


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
    mine, theirs = here.astype(np.int64), there.astype(np.int64)
    here_opp, there_opp = _first_of_equals(mine), _first_of_equals(theirs)
    bears = mine[here_opp]
    orders = (bears + ties).argsort(axis=1, kind="stable")
    away = taken(theirs[there_opp], orders[_first_of_equals(orders)], cores[1])
    shape, away = away.shape, away.ravel()
    stays = (away >> np.arange(count)[:, None]) & 1 == 0
    level = _levels(bears, orders, stays, cores[0])
    moved = (stays == present[:, None]).sum(axis=0)
    rank = (level * (count + 1) + moved) * away.size + np.arange(away.size)
    _, begin = seatings(cores[1], count)
    least = np.minimum.reduceat(rank.reshape(-1, *shape), begin, axis=-1).min(axis=1)
    level = least // ((count + 1) * away.size)
    best = _not_undercut(level, len(bears))
    at = least[best] % away.size
    return Front(~stays[:, at].T, here_opp[level[best]], there_opp[best[1]])


def _first_of_equals(rows: Ints) -> Ints:
    """Which rows (of O) are unlike all before them."""
    first: dict[bytes, int] = {}
    for at, row in enumerate(rows):
        first.setdefault(row.tobytes(), at)
    return np.array(list(first.values()))


def _levels(bears: Ints, orders: Ints, members: Flags, cores: int) -> Ints:
    """The lowest of I operating points (cores + 1, M) at which no, one, ... cores are enough.

    I where none is. `bears` (I, K) is with how many the applications can share a core, `orders`
    (I, K) begins with those that bear the fewest: a core takes as many as the first on it bears.
    """
    size = np.maximum(np.take_along_axis(bears, orders, 1), 1).astype(np.int8)
    member = members.view(np.int8)[orders]
    room, used = np.zeros((2, len(bears), members.shape[1]), dtype=np.int8)
    for k in range(bears.shape[1]):
        fresh = member[:, k] > room
        used += fresh
        room += fresh * size[:, k, None]
        room -= member[:, k]
    never = bears == 0
    if never.any():
        used[never.astype(np.float32) @ members.astype(np.float32) > 0.0] = cores + 1
    found: Ints = (used > np.arange(cores + 1, dtype=np.int8)[:, None, None]).sum(axis=1)
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
