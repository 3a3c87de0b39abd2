"""Where applications of several threads (teams) may go: cores of one cluster, several of them."""

from collections.abc import Container, Sequence

from platforms.board import Board
from platforms.platform import ApplicationReading
from platforms.simulated.scheduler import place_threads


def least_cores(board: Board) -> int:
    """The fewest cores that a team may be given: two, or one where no cluster has two.

    As `platforms.decision_check` asks.
    """
    return 2 if any(len(cluster.cores) > 1 for cluster in board.clusters) else 1


def free_cores_of(board: Board, cluster: int, taken: Container[int]) -> tuple[int, ...]:
    """The cores of a cluster without those taken; none where they are too few for a team."""
    free = tuple([core for core in board.clusters[cluster].cores if core not in taken])
    return free if len(free) >= least_cores(board) else ()


def cores_of_threads(
    board: Board, applications: Sequence[ApplicationReading]
) -> list[tuple[int, ...]]:
    """The core of every thread, as the fair scheduler spreads them over the cores allowed."""
    return place_threads([(app.threads, app.cores) for app in applications], board.core_count)
