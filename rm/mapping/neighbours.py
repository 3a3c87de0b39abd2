"""Assignments of applications to clusters that lie one step from a given one."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

MOST = 256
"""So many neighbours are looked at; of more, pairs of applications are left out."""


def neighbours(present: Sequence[int], clusters: int) -> NDArray[np.int64]:
    """The assignment itself and its neighbours, (B, K), without repetition.

    One application moves, all of a cluster move, two swap, or two move together.
    """
    found = dict.fromkeys([tuple(present)])
    for step in (_singles, _evacuations, _pairs):
        for assignment in step(tuple(present), clusters):
            if len(found) >= MOST:
                break
            found[assignment] = None
    return np.array(list(found), dtype=np.int64)


def _singles(present: tuple[int, ...], clusters: int) -> Iterator[tuple[int, ...]]:
    for k, home in enumerate(present):
        for x in range(clusters):
            if x != home:
                yield (*present[:k], x, *present[k + 1 :])


def _evacuations(present: tuple[int, ...], clusters: int) -> Iterator[tuple[int, ...]]:
    for source in set(present):
        for target in range(clusters):
            yield tuple(target if x == source else x for x in present)


def _pairs(present: tuple[int, ...], clusters: int) -> Iterator[tuple[int, ...]]:
    for i, first in enumerate(present):
        for j in range(i + 1, len(present)):
            second = present[j]
            targets = [(x, x) for x in range(clusters) if x != first and x != second]
            for x, y in [*targets, (second, first)]:
                moved = list(present)
                moved[i], moved[j] = x, y
                yield tuple(moved)
