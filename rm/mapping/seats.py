"""Give the groups of a mapping cores, so that few applications have to move."""

from collections import defaultdict
from collections.abc import Sequence

from platforms.board import Board


def seats(
    board: Board, *, cluster: Sequence[int], group: Sequence[int], present: Sequence[int]
) -> list[int]:
    """The core of every application.

    `cluster` and `group` are one mapping (K,), `present` the cores where the applications are now.
    The group that most of a core's applications belong to keeps it; other groups get free cores.
    No optimum, but at least half of those who could stay do, and in the present mapping everybody.
    """
    members: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k, key in enumerate(zip(cluster, group, strict=True)):
        members[key].append(k)
    taken: dict[tuple[int, int], int] = {}
    for _, key, core in _claims(board, members, present):
        if key not in taken and core not in taken.values():
            taken[key] = core
    for key in members:
        if key not in taken:
            free = (c for c in board.clusters[key[0]].cores if c not in taken.values())
            taken[key] = next(free)
    return [taken[key] for key in zip(cluster, group, strict=True)]


def _claims(
    board: Board, members: dict[tuple[int, int], list[int]], present: Sequence[int]
) -> list[tuple[int, tuple[int, int], int]]:
    """(- applications that could stay, group, core), the strongest claim first."""
    owner = board.cluster_of_core
    claims: dict[tuple[tuple[int, int], int], int] = defaultdict(int)
    for key, apps in members.items():
        for k in apps:
            if owner[present[k]] == key[0]:
                claims[key, present[k]] -= 1
    return sorted((votes, key, core) for (key, core), votes in claims.items())
