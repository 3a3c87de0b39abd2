"""What makes a decision illegal: cores and operating points that the board does not have.

Whoever carries decisions out refuses such ones, and the contract checkers look for them.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from platforms.board import Board
from platforms.platform import Decision, TrainingGrant

LOWEST_NICE, HIGHEST_NICE = -20, 19


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
    board: Board,
    threads: Mapping[int, int],
    decision: Decision,
    settings: Mapping[int, int | None] = MappingProxyType({}),
) -> Iterator[str]:
    """What is illegal about a decision, as ``key must ... (got ...)``.

    `threads` is the number of threads per id of the running applications. Migrations of others are
    legal: they may have ended since. So are grants of others than those in `settings`, the number
    of settings per id of the training jobs (None: not known).
    """
    for migration in decision.migrations:
        if migration.application_id in threads:
            count = threads[migration.application_id]
            for problem in placement_problems(board, count, migration.cores):
                yield f"migration of application {migration.application_id}: cores {problem}"
    if decision.opp_index is not None:
        yield from _opp_problems(board, decision.opp_index)
    for grant in decision.grants:
        if grant.job_id in settings:
            for problem in grant_problems(board, settings[grant.job_id], grant):
                yield f"grant of training job {grant.job_id}: {problem}"
    if decision.accelerator_opp:
        yield from _accelerator_opp_problems(board, decision.accelerator_opp)


def grant_problems(board: Board, settings: int | None, grant: TrainingGrant) -> Iterator[str]:
    """What forbids a grant to a job of so many settings (None: not known).

    >>> from platforms.board_file import load_board
    >>> list(grant_problems(load_board("hikey970"), 3, TrainingGrant(1, 3, (0, 1))))
    ['setting must be out of 0 ... 2 (got 3)']
    """
    if grant.setting < 0 or (settings is not None and grant.setting >= settings):
        most = "the last of the job's" if settings is None else settings - 1
        yield f"setting must be out of 0 ... {most} (got {grant.setting})"
    got, highest = f"(got {list(grant.cores)})", board.core_count - 1
    if not all(0 <= core <= highest for core in grant.cores):
        yield f"cores must be out of 0 ... {highest} {got}"
    if len(set(grant.cores)) != len(grant.cores):
        yield f"cores must name each core once {got}"
    known = [accelerator.name for accelerator in board.compute_accelerators]
    if grant.accelerator is not None and grant.accelerator not in known:
        yield f"accelerator must be one of {known or 'none'} (got {grant.accelerator!r})"
    if not LOWEST_NICE <= grant.nice <= HIGHEST_NICE:
        yield f"nice must be out of {LOWEST_NICE} ... {HIGHEST_NICE} (got {grant.nice})"
    if grant.cpu_max is not None and not 0 < grant.cpu_max <= 1:
        yield f"cpu_max must lie above 0 and up to 1 (got {grant.cpu_max})"


def _accelerator_opp_problems(board: Board, asked: Sequence[int | None]) -> Iterator[str]:
    accelerators = board.compute_accelerators
    if len(asked) != len(accelerators):
        names = [accelerator.name for accelerator in accelerators]
        yield f"accelerator_opp must have one entry for each of {names} (got {list(asked)})"
        return
    for accelerator, opp in zip(accelerators, asked, strict=True):
        top = len(accelerator.opps) - 1
        if opp is not None and not 0 <= opp <= top:
            yield f"accelerator_opp of {accelerator.name} must be out of 0 ... {top} (got {opp})"


def _opp_problems(board: Board, opp_index: Sequence[int]) -> Iterator[str]:
    if len(opp_index) != len(board.clusters):
        count = len(board.clusters)
        yield f"opp_index must have one entry for each of {count} clusters (got {list(opp_index)})"
        return
    for cluster, opp in zip(board.clusters, opp_index, strict=True):
        top = len(cluster.opps) - 1
        if not 0 <= opp <= top:
            yield f"opp_index of {cluster.name} must be out of 0 ... {top} (got {opp})"
