"""What makes a decision illegal: cores and operating points that the board does not have.

Whoever carries decisions out refuses such ones, and the contract checkers look for them.
"""

from collections.abc import Iterator, Mapping, Sequence

from platforms.board import Board
from platforms.platform import Decision


class IllegalDecision(ValueError):
    """A policy asks for what the board does not have. Nothing of the decision was carried out."""


def placement_problems(board: Board, threads: int, cores: Sequence[int]) -> Iterator[str]:
    """What forbids to put so many threads onto these cores, as ``must ... (got ...)``.

    One thread has one core; several threads have several cores of one cluster, or one core on a
    board where no cluster has two.

    >>> from platforms.board_file import load_board
    >>> list(placement_problems(load_board("hikey970"), 1, (8,)))
    ['must be out of 0 ... 7 (got [8])']
    """
    got, highest = f"(got {list(cores)})", board.core_count - 1
    if not all(0 <= core <= highest for core in cores):
        yield f"must be out of 0 ... {highest} {got}"
        return
    if len(set(cores)) != len(cores):
        yield f"must name each core once {got}"
    if threads == 1 and len(cores) != 1:
        yield f"must be one core for one thread {got}"
    roomy = any(len(cluster.cores) > 1 for cluster in board.clusters)
    if threads > 1 and len(cores) < 1 + roomy:
        least = "several cores" if roomy else "at least one core"
        yield f"must be {least} for {threads} threads {got}"
    if len({board.cluster_of_core[core] for core in cores}) > 1:
        yield f"must lie in one cluster {got}"


def decision_problems(
    board: Board, threads: Mapping[int, int], decision: Decision
) -> Iterator[str]:
    """What is illegal about a decision, as ``key must ... (got ...)``.

    `threads` is the number of threads per id of the running applications. Migrations of others are
    legal: they may have ended since.
    """
    for migration in decision.migrations:
        if migration.application_id in threads:
            count = threads[migration.application_id]
            for problem in placement_problems(board, count, migration.cores):
                yield f"migration of application {migration.application_id}: cores {problem}"
    if decision.opp_index is not None:
        yield from _opp_problems(board, decision.opp_index)


def _opp_problems(board: Board, opp_index: Sequence[int]) -> Iterator[str]:
    if len(opp_index) != len(board.clusters):
        count = len(board.clusters)
        yield f"opp_index must have one entry for each of {count} clusters (got {list(opp_index)})"
        return
    for cluster, opp in zip(board.clusters, opp_index, strict=True):
        top = len(cluster.opps) - 1
        if not 0 <= opp <= top:
            yield f"opp_index of {cluster.name} must be out of 0 ... {top} (got {opp})"
