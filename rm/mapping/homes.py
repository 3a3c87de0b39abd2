"""Where applications of several threads (teams) may go: cores of one cluster, several of them."""

from collections import Counter
from collections.abc import Container, Sequence

from platforms.board import Board
from platforms.platform import ApplicationReading
from platforms.simulated.scheduler import place_threads, spread


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


def threads_on_cores(placed: Sequence[Sequence[int]], core_count: int) -> list[float]:
    """How many threads each core has, given those of every application."""
    load = [0.0] * core_count
    for on in placed:
        for core in on:
            load[core] += 1
    return load


def move_threads(load: list[float], on: Sequence[int], cores: Sequence[int]) -> None:
    """Take the threads of an application off the cores that they are on, and spread them anew."""
    for core in on:
        load[core] -= 1
    spread(len(on), cores, load)


def cores_of_team(
    board: Board, cluster: int, others: Sequence[int], shared: Container[int]
) -> tuple[int, ...]:
    """The cores of a cluster that a team is given: those without others, and those `shared`.

    `others` are the cores of all applications of one thread, once for each. Where that is too
    little for a team it is given the most crowded core as well, which threads keep away from.
    """
    count = Counter(others)
    crowded = sorted(board.clusters[cluster].cores, key=lambda core: -count[core])
    given = [core for core in crowded if count[core] == 0 or core in shared]
    spare = [core for core in crowded if core not in given]
    return tuple(sorted([*given, *spare[: max(0, least_cores(board) - len(given))]]))
