"""Where an application is, as far as one core or some of one cluster can say it."""

from collections.abc import Collection, Mapping, Sequence, Set

Clusters = Sequence[Sequence[int]]


class CoreMap:
    """The cores of each cluster, and the cluster of each core."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = tuple([tuple(cluster) for cluster in clusters])
        self.owner: Mapping[int, int] = {
            core: index for index, cluster in enumerate(self.clusters) for core in cluster
        }
        self.is_roomy = any(len(cluster) > 1 for cluster in self.clusters)


def seen_cores(
    board: CoreMap,
    *,
    allowed: Set[int],
    threads: int,
    last: int | None,
    usable: Collection[int] | None = None,
) -> tuple[tuple[int, ...], int]:
    """The cores of an application and the number of threads that they are for.

    `allowed` is its mask, `last` the core that it last ran on, `usable` what its control group
    leaves it (None: all). One thread is where it last ran, unless its mask says it. Several threads
    have the part of a cluster that the mask leaves; where that is one core only, all of the cluster
    that they could have. Where they could have no second core they count as one thread.

    >>> board = CoreMap([(0, 1, 2, 3), (4, 5, 6, 7)])
    >>> seen_cores(board, allowed=set(range(8)), threads=1, last=5)
    ((5,), 1)
    >>> seen_cores(board, allowed={4, 5}, threads=3, last=4)
    ((4, 5), 3)
    >>> seen_cores(board, allowed={6}, threads=3, last=6)
    ((4, 5, 6, 7), 3)
    >>> seen_cores(board, allowed={6}, threads=3, last=6, usable={0, 6})
    ((6,), 1)
    """
    known = allowed & board.owner.keys() or board.owner.keys()
    home = min(known) if last is None or last not in known else last
    if threads == 1:
        return (home,), 1
    cluster = board.clusters[board.owner[home]]
    cores = tuple([core for core in cluster if core in known])
    if len(cores) < 2:
        cores = tuple([core for core in cluster if usable is None or core in usable]) or (home,)
    if len(cores) < 2 and board.is_roomy:
        return cores, 1
    return cores, threads
