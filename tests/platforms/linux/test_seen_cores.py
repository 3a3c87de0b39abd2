"""Tests of where an application is said to be: always a placement that a board allows."""

from hypothesis import given
from hypothesis import strategies as st

from platforms.board_file import load_board
from platforms.decision_check import placement_problems
from platforms.linux.processes.seen_cores import CoreMap, seen_cores

BOARD = load_board("hikey970")
CORES = CoreMap([cluster.cores for cluster in BOARD.clusters])
EVERYWHERE = frozenset(range(8))


def test_one_thread_is_where_it_last_ran() -> None:
    """It has not been placed yet."""
    assert ((6,), 1) == seen_cores(CORES, allowed=EVERYWHERE, threads=1, last=6)


def test_one_thread_is_where_its_mask_says() -> None:
    """It may not have run since it was moved."""
    assert ((2,), 1) == seen_cores(CORES, allowed={2}, threads=1, last=6)


def test_several_threads_are_on_the_cluster_where_they_run() -> None:
    """An application that spans clusters is counted where its busiest thread is."""
    assert ((4, 5, 6, 7), 3) == seen_cores(CORES, allowed=EVERYWHERE, threads=3, last=6)


def test_several_threads_on_one_core_could_have_the_cluster() -> None:
    """A thread that turned into several must not be kept on one core for ever."""
    assert ((0, 1, 2, 3), 2) == seen_cores(CORES, allowed={1}, threads=2, last=1)


def test_several_threads_that_may_use_one_core_only_are_like_one() -> None:
    """Their control group leaves them no more."""
    assert ((1,), 1) == seen_cores(CORES, allowed={1}, threads=2, last=1, usable={1, 5})


def test_on_a_board_of_single_cores_several_threads_have_one() -> None:
    """There is nothing else to have."""
    board = CoreMap([(0,), (1,)])
    assert ((1,), 4) == seen_cores(board, allowed={0, 1}, threads=4, last=1)


def test_cores_that_the_board_file_does_not_know_are_passed_over() -> None:
    """A board file may leave cores out."""
    assert ((4,), 1) == seen_cores(CORES, allowed={4, 9}, threads=1, last=9)
    assert ((0,), 1) == seen_cores(CORES, allowed={9}, threads=1, last=9)
    assert ((0,), 1) == seen_cores(CORES, allowed=set(), threads=1, last=None)


@given(
    allowed=st.frozensets(st.integers(0, 9)),
    threads=st.integers(1, 20),
    last=st.none() | st.integers(0, 9),
    usable=st.none() | st.frozensets(st.integers(0, 9)),
)
def test_what_is_said_is_a_placement_that_the_board_allows(
    allowed: frozenset[int], threads: int, last: int | None, usable: frozenset[int] | None
) -> None:
    """Whatever masks and control groups say."""
    cores, count = seen_cores(CORES, allowed=allowed, threads=threads, last=last, usable=usable)
    assert [] == list(placement_problems(BOARD, count, cores))
    assert count in (1, threads)
