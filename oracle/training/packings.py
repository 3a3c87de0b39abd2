"""All ways to put applications on the cores of clusters, cores of a cluster being alike."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Packings(NamedTuple):
    """Partitions of all sets of K applications into groups: `group` (N, K), -1 for who is not in.

    `groups` (N,) counts them, `of_set` lists the rows of every set, by its bits.
    """

    group: Ints
    groups: Ints
    of_set: tuple[Ints, ...]


@cache
def packings(count: int, most_groups: int) -> Packings:
    """The partitions of all sets of so many applications into so many groups at most."""
    rows: list[list[int]] = []
    of_set: list[Ints] = []
    for bits in range(1 << count):
        members = [k for k in range(count) if bits >> k & 1]
        first = len(rows)
        for groups in _partitions(len(members), most_groups):
            row = [-1] * count
            for k, number in zip(members, groups, strict=True):
                row[k] = number
            rows.append(row)
        of_set.append(np.arange(first, len(rows)))
    group = np.array(rows, dtype=np.int64).reshape(len(rows), count)
    return Packings(group, group.max(axis=1, initial=-1) + 1, tuple(of_set))


def _partitions(count: int, most: int) -> Iterator[tuple[int, ...]]:
    """Restricted growth strings: each partition once."""
    if count == 0:
        yield ()
        return
    for head in _partitions(count - 1, most):
        used = max(head, default=-1) + 1
        for group in range(min(used + 1, most)):
            yield (*head, group)


@cache
def mappings(count: int, sizes: tuple[int, ...]) -> Ints:
    """(clusters, M): the row of every cluster's packings in all mappings of all applications."""
    each = [packings(count, size) for size in sizes]
    found: list[Ints] = []
    everybody = (1 << count) - 1

    def extend(x: int, left: int, chosen: tuple[Ints, ...]) -> None:
        if x == len(sizes) - 1:
            grids = np.meshgrid(*chosen, each[x].of_set[left], indexing="ij")
            found.append(np.stack([grid.ravel() for grid in grids]))
            return
        subset = left
        while True:
            extend(x + 1, left & ~subset, (*chosen, each[x].of_set[subset]))
            if subset == 0:
                break
            subset = (subset - 1) & left

    extend(0, everybody, ())
    return np.concatenate(found, axis=1)
