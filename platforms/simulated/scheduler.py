"""Which thread runs on which core, as the Linux fair scheduler would spread them."""

from collections.abc import Iterable, Sequence

from platforms.board import Board


def spread(threads: int, cores: Sequence[int], load: list[float]) -> tuple[int, ...]:
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


def place_threads(
    applications: Iterable[tuple[int, Sequence[int]]],
    core_count: int,
    *,
    load: Sequence[float] | None = None,
) -> list[tuple[int, ...]]:
    """The core of every thread of applications, each given by its threads and allowed cores.

    Who has fewest cores to choose from is placed first, so that the others keep out of its way.
    `load` is what there is on each core already, by weight: threads that keep their core.

    >>> place_threads([(2, (0, 1, 2)), (1, (0,))], 3)
    [(1, 2), (0,)]
    """
    asked = list(applications)
    on_core = list(load) if load is not None else [0.0] * core_count
    placed: list[tuple[int, ...]] = [()] * len(asked)
    for number in sorted(range(len(asked)), key=lambda number: len(asked[number][1])):
        placed[number] = spread(*asked[number], on_core)
    return placed


def place_newcomer(board: Board, threads: int, busy: Iterable[int]) -> tuple[int, ...]:
    """Where the kernel starts a program that nobody placed: the least loaded core, big ones first.

    `busy` lists the core of every running thread. Several threads get a whole cluster of several
    cores (of one where the board has no other): the one with idle cores for most of them, then the
    least loaded, then the strongest.
    """
    load = [0] * board.core_count
    for core in busy:
        load[core] += 1
    strongest_first = [board.clusters[i].cores for i in reversed(board.clusters_by_capacity)]
    if threads == 1:
        return (min((core for cores in strongest_first for core in cores), key=load.__getitem__),)

    def crowding(cores: Sequence[int]) -> tuple[int, float]:
        loads = [load[core] for core in cores]
        return -min(threads, loads.count(0)), sum(loads) / len(loads)

    several = [cores for cores in strongest_first if len(cores) > 1]
    return min(several or strongest_first, key=crowding)
