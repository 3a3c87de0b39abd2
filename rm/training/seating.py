"""Which cores training gets: as many as planned, none that an application is on."""

from collections.abc import Collection, Sequence

from platforms.board import Board


def training_cores(
    board: Board, cluster: int, count: int, *, taken: Collection[int], held: Sequence[int]
) -> tuple[int, ...]:
    """Up to `count` cores of a cluster that are not `taken`; those that it has (`held`) first.

    >>> from platforms.board_file import load_board
    >>> training_cores(load_board("hikey970"), 1, 2, taken={4, 6}, held=(5, 6))
    (5, 7)
    """
    free = [core for core in board.clusters[cluster].cores if core not in taken]
    free.sort(key=lambda core: (core not in held, core))
    return tuple(sorted(free[:count]))
