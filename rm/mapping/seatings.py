"""Who can be taken together by cores that are shared by given numbers of applications.

A core that n applications share serves those that bear n or more on it. A set of them fits on
several such cores if Hall's condition holds: for every n there is a seat, on a core of n or fewer,
for each of those that bear n at most. Sets that fit so make a matroid, hence whoever comes first in
an order and still fits is in the set that is best by that order.

The seats left for every n are kept in one integer, a field of six bits for each n, the highest
of them a guard that shows a field which runs out; above them a bit for every application taken.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MOST_SHARERS = 7
"""More do not share a core here: seven fields and twenty bits are what an integer holds."""

MOST_APPLICATIONS = 20

_FIELD = 6
_TAKEN = _FIELD * MOST_SHARERS
_SIZES = range(1, MOST_SHARERS + 1)


def _seats(way: Sequence[int]) -> int:
    """How many seats are on cores of 1, 2, ... at most, in a field each."""
    return sum(sum(n for n in way if n <= at) << (_FIELD * (at - 1)) for at in _SIZES)


_GUARDS = _seats((1,)) << (_FIELD - 1)
_WANTS = np.array([_GUARDS, *(_seats((n,)) // n for n in _SIZES)], dtype=np.int64)
"""What those take who bear 0, 1, ... : a seat of every field from there on. Whom not even a core
serves asks for the guards, which nobody gets."""


@lru_cache
def seatings(cores: int, count: int) -> tuple[Ints, Ints]:
    """The ways to share up to so many cores between up to `count` applications.

    Returns the seats of each (P,), and where (cores + 1,) those of no, one, ... cores begin. Of
    more than four cores all but one are shared by equally many.
    """
    words, begin = [0], [0]
    for used in range(1, min(cores, count) + 1):
        begin.append(len(words))
        words += [_seats(way) for way in _ways(used, cores) if sum(way) <= count]
    return np.array(words, dtype=np.int64) | _GUARDS, np.array(begin)


def taken(bears: Ints, orders: Ints, cores: int) -> Ints:
    """Who is taken, a bit each, (P, D, J): first come, first served, in D orders (D, K).

    `bears` (J, K) says with how many each can share a core at J operating points; P are the ways of
    `seatings`. K is `MOST_APPLICATIONS` at most.
    """
    count = bears.shape[1]
    seats, _ = seatings(cores, count)
    name = 1 << (_TAKEN + np.arange(count))
    wants = _WANTS[np.minimum(bears, MOST_SHARERS)] - (bears > 0) * name
    each = wants.T[orders.T].reshape(count, -1)
    left = seats.repeat(each.shape[1])
    tried, guards = np.empty_like(left), np.empty_like(left)
    for want in np.tile(each, len(seats)):
        np.subtract(left, want, out=tried)
        np.bitwise_and(tried, _GUARDS, out=guards)
        np.copyto(left, tried, where=guards == _GUARDS)
    return (left >> _TAKEN).reshape(len(seats), len(orders), len(bears))


def _ways(used: int, cores: int) -> Iterable[Sequence[int]]:
    """By how many each of so many cores is shared."""
    if cores <= 4:
        return combinations_with_replacement(_SIZES, used)
    return ((*(most,) * (used - 1), last) for most in _SIZES for last in _SIZES)
