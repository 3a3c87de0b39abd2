"""Which thread runs on which core, as the Linux fair scheduler would spread them."""

from collections.abc import Iterable, Sequence

from platforms.board import Board


def spread(threads: int, cores: Sequence[int], load: list[int]) -> tuple[int, ...]:
    """Put threads one by one on the least loaded of `cores`; `load` counts threads per core.

    `load` is updated. Ties go to the core that comes first.

    >>> spread(3, (0, 1), [1, 0])
    (1, 0, 1)
    """
    placed = []
    for _ in range(threads):
        core = min(cores, key=load.__getitem__)
        load[core] += 1
        placed.append(core)
    return tuple(placed)


def place_newcomer(board: Board, threads: int, busy: Iterable[int]) -> tuple[int, ...]:
    """Where the kernel starts a program that nobody placed: the least loaded core, big ones first.

    `busy` lists the core of every running thread. Several threads get the whole cluster that has
    the most idle cores.
    """
    load = [0] * board.core_count
    for core in busy:
        load[core] += 1
    strongest_first = [board.clusters[i] for i in reversed(board.clusters_by_capacity)]
    if threads > 1:
        return min(
            (c.cores for c in strongest_first), key=lambda cores: sum(load[i] for i in cores)
        )
    return (min((core for c in strongest_first for core in c.cores), key=load.__getitem__),)
