"""One application moves, the others stay: the moves that TOP-IL chooses from."""

from collections.abc import Sequence

import numpy as np

from platforms.board import Board
from rm.mapping.packing import Mappings


def single_moves(board: Board, cores: Sequence[int]) -> Mappings:
    """Every application (of K, on these cores) on every other core of the board."""
    owner = board.cluster_of_core
    place = {core: c.cores.index(core) for c in board.clusters for core in c.cores}
    moved = [
        [core if k == mover else present for k, present in enumerate(cores)]
        for mover in range(len(cores))
        for core in range(board.core_count)
        if core != cores[mover]
    ]
    cluster = np.array([[owner[core] for core in row] for row in moved], dtype=np.int64)
    group = np.array([[place[core] for core in row] for row in moved], dtype=np.int64)
    shape = len(moved), len(cores)
    return Mappings(cluster.reshape(shape), group.reshape(shape))
