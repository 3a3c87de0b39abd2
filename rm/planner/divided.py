"""Which divisions of the applications between clusters a plan is sought among."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rm.planner.foreground import Needs
from rm.planner.packed import Packed, groups_at, packed

Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

MOST_ROWS = 729
"""So many divisions are all tried (nine applications on two clusters, six on three); of more, some.
That is as good and takes a bounded time: of twelve applications on the HiKey 970 the 4096 take up
to 127 ms on one desktop core, some 21 ms, and the best of those is 0.006 K warmer in the mean (of
30 random questions 0.08 K at most; none breaks more)."""


@dataclass(frozen=True)
class Divided:
    """B divisions: `assignments` (B, movable) to clusters, and what each cluster's sets ask of it.

    `sets` (clusters, B) is whose set each row's is. `given` (B, K) are the groups where they do not
    follow from first fit.
    """

    assignments: Ints
    packed: tuple[Packed, ...]
    sets: Ints
    given: Ints | None = None

    def __len__(self) -> int:
        """Number of divisions."""
        return len(self.assignments)

    @property
    def serves(self) -> bool:
        """Whether any division meets all targets."""
        rows: Flags = np.ones(len(self.assignments), dtype=bool)
        for one, sets in zip(self.packed, self.sets, strict=True):
            served: Flags = np.logical_or.reduce(one.served, axis=1)
            rows &= served[sets]
        return bool(rows.any())

    def groups(self, needs: Needs, row: int, opp_index: tuple[int, ...]) -> tuple[int, ...]:
        """The group of every application (K,) in a row at these operating points."""
        if self.given is not None:
            return tuple(self.given[row].tolist())
        group = np.zeros(needs.demand.count, dtype=np.int64)
        for x, opp in enumerate(opp_index):
            on, groups = groups_at(needs, self.assignments[row : row + 1] == x, x)
            group = np.where(on[0], groups[0, opp], group)
        return tuple(group.tolist())


def every_set(needs: Needs) -> Divided:
    """All divisions."""
    count, clusters = needs.movable, len(needs.board.clusters)
    bits = 1 << np.arange(count, dtype=np.int64)
    members = (np.arange(1 << count)[:, None] & bits) > 0
    if clusters == 2:
        assignments = members.astype(np.int64)
    else:
        assignments = np.indices((clusters,) * count).reshape(count, clusters**count).T
    sets = [((assignments == x) * bits).sum(axis=1).astype(np.int64) for x in range(clusters)]
    every = tuple(packed(needs, members, x) for x in range(clusters))
    return Divided(assignments, every, np.stack(sets))


def some_sets(needs: Needs, assignments: Ints) -> Divided:
    """Some divisions."""
    clusters = range(len(needs.board.clusters))
    every = np.arange(len(assignments))
    return Divided(
        assignments,
        tuple(packed(needs, assignments == x, x) for x in clusters),
        np.stack([every for _ in clusters]),
    )
