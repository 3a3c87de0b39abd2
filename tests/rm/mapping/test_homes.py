"""Tests of where applications of several threads may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.board import Board
from platforms.decision_check import placement_problems
from rm.mapping.homes import (
    cores_of_team,
    cores_of_threads,
    free_cores_of,
    least_cores,
)
from tests.platforms.programs import single_core_clusters
from tests.rm.mapping.demands import BOARDS
from tests.rm.readings import HIKEY, reading


@pytest.mark.parametrize(("board", "expected"), [(HIKEY, 2), (single_core_clusters(), 1)])
def test_a_team_needs_two_cores_unless_no_cluster_has_them(board: Board, expected: int) -> None:
    """As `placement_problems` has it."""
    assert expected == least_cores(board)


@given(st.sampled_from(sorted(BOARDS)), st.sets(st.integers(0, 11)), st.integers(2, 6))
def test_what_a_team_is_offered_is_legal_and_not_taken(
    name: str, taken: set[int], threads: int
) -> None:
    """Nothing is offered where too little is left."""
    board = BOARDS[name]
    for x, cluster in enumerate(board.clusters):
        free = free_cores_of(board, x, taken)
        left = set(cluster.cores) - taken
        assert set(free) == (left if len(left) >= least_cores(board) else set())
        assert not free or [] == list(placement_problems(board, threads, free))


def test_threads_sit_beside_those_who_have_no_choice() -> None:
    """As the fair scheduler does it."""
    team = reading(0, cores=(4, 5, 6, 7), threads=3)
    assert [(4, 6, 7), (5,)] == cores_of_threads(HIKEY, [team, reading(1, cores=(5,))])


@pytest.mark.parametrize(
    ("others", "shared", "expected"),
    [
        ([], (), (4, 5, 6, 7)),
        ([1, 2], (), (4, 5, 6, 7)),
        ([5, 6], (), (4, 7)),
        ([5, 6], (6,), (4, 6, 7)),
        ([5, 6, 7, 7], (), (4, 7)),
        ([4, 5, 6, 7], (5, 6), (5, 6)),
    ],
)
def test_a_team_is_given_the_cores_without_others_and_those_that_it_is_to_share(
    others: list[int], shared: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """One core is too little for it: then the most crowded one, where no thread will want to go."""
    assert expected == cores_of_team(HIKEY, 1, others, shared)
    assert [] == list(placement_problems(HIKEY, 3, expected))
