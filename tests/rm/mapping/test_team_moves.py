"""Tests of the moves that a mapping with teams takes."""

from platforms.platform import Migration
from rm.mapping.search import Rated
from rm.mapping.team_moves import count_of, moves_to
from tests.rm.readings import HIKEY, reading

SINGLES = [reading(0, cores=(4,)), reading(1, cores=(1,))]
TEAM = reading(2, cores=(4, 5, 6, 7), threads=2)


def rated(*places: tuple[int, int]) -> Rated:
    """A mapping, by the cluster and group of each."""
    cluster, group = zip(*places, strict=True)
    return Rated(cluster, group, 0.0, 0.0)


def test_a_team_gets_the_cores_that_single_ones_leave() -> None:
    """Whichever these are: a group is no core yet."""
    apart = rated((0, 2), (0, 0), (0, 1), (0, 3))
    moves = moves_to(HIKEY, apart, SINGLES, [TEAM])
    assert (Migration(0, (0,)), Migration(2, (2, 3))) == moves


def test_a_team_shares_the_core_of_whom_it_is_planned_with() -> None:
    """And of nobody else."""
    among = rated((0, 2), (0, 0), (0, 1), (0, 0))
    moves = moves_to(HIKEY, among, SINGLES, [TEAM])
    assert (Migration(0, (0,)), Migration(2, (1, 2, 3))) == moves


def test_who_is_where_he_should_be_does_not_move() -> None:
    """Nobody, or all of them but one."""
    stay = rated((1, 0), (0, 1), (1, 1), (1, 2))
    there = reading(2, cores=(5, 6, 7), threads=2)
    assert () == moves_to(HIKEY, stay, SINGLES, [there])
    assert (Migration(2, (5, 6, 7)),) == moves_to(HIKEY, stay, SINGLES, [TEAM])
    assert (Migration(0, (0,)),) == moves_to(HIKEY, rated((0, 0), (0, 1)), SINGLES)


def test_every_thread_counts_where_a_team_leaves_its_cluster() -> None:
    """Caches are lost then; on its cluster it only makes room."""
    elsewhere = (Migration(0, (0,)), Migration(2, (2, 3)))
    assert 3 == count_of(HIKEY, elsewhere, [TEAM])
    assert 2 == count_of(HIKEY, (Migration(0, (0,)), Migration(2, (5, 6))), [TEAM])
    assert 1 == count_of(HIKEY, (Migration(0, (0,)),), [TEAM])
