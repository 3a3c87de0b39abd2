"""Where the threads of applications that nobody moves end up, beside a mapping of the others."""

from collections.abc import Sequence

import numpy as np

from platforms.board import Board
from rm.mapping.packing import Mappings


def with_threads(board: Board, mappings: Mappings, clusters: Sequence[int]) -> Mappings:
    """The mappings (R, K) with T threads more, each free to run on all cores of a cluster.

    `clusters` (T,) says of which. As the kernel does, every thread in turn goes to the core with
    the fewest, the first of several.
    """
    cluster, group = mappings.cluster, mappings.group
    for x in clusters:
        cores = np.arange(len(board.clusters[x].cores))
        load = ((cluster == x)[:, :, None] & (group[:, :, None] == cores)).sum(axis=1)
        group = np.column_stack([group, load.argmin(axis=1)])
        cluster = np.column_stack([cluster, np.full(len(cluster), x)])
    return Mappings(cluster, group)
