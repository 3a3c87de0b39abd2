"""Tests of threads: where the kernel puts them, and where teams are to be put."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.simulated.scheduler import place_threads
from rm.mapping.demand import Demand
from rm.mapping.homes import cores_of_team, least_cores
from rm.mapping.packing import Mappings, groups_of_cores
from rm.mapping.seats import seats
from rm.mapping.threads import (
    MOST_HOMES,
    UNSURE_K,
    Team,
    homes,
    mapping_now,
    other_homes,
    threads_away,
    with_teams,
    with_threads,
)
from tests.rm.mapping.demands import BOARDS, mapping, random_demand, seeds
from tests.rm.readings import HIKEY, reading

LITTLE = (0, 1, 2, 3)


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 1), st.integers(2, 6)), max_size=3),
)
def test_threads_are_where_the_kernel_puts_them_now(
    present: list[int], several: list[tuple[int, int]]
) -> None:
    """Of the present mapping, core by core."""
    asked: list[tuple[int, tuple[int, ...]]] = [(1, (core,)) for core in present]
    asked += [(threads, HIKEY.clusters[x].cores) for x, threads in several]
    placed = place_threads(asked, HIKEY.core_count)
    expected = groups_of_cores(HIKEY, [core for cores in placed for core in cores])
    held = [x for x, threads in several for _ in range(threads)]
    found = with_threads(HIKEY, groups_of_cores(HIKEY, present), held)
    np.testing.assert_array_equal(expected.cluster, found.cluster)
    np.testing.assert_array_equal(expected.group, found.group)


def test_every_mapping_of_the_others_leaves_other_cores_free() -> None:
    """Threads spread over what is left, then they share."""
    others = mapping([0, 0, 0], [1, 0, 1], groups=[[0, 0, 1], [0, 2, 1]])
    found = with_threads(HIKEY, others, [0, 0, 0])
    assert [[0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0]] == found.cluster.tolist()
    assert [[0, 0, 1, 2, 3, 1], [0, 2, 1, 0, 1, 3]] == found.group.tolist()


def test_without_threads_nothing_is_added() -> None:
    """The common case."""
    others = mapping([0, 1], groups=[[0, 0]])
    found = with_threads(HIKEY, others, [])
    assert others.cluster is found.cluster
    assert others.group is found.group


def test_the_present_mapping_shows_threads_on_the_cores_that_they_may_use_now() -> None:
    """Not on those that they might be given."""
    single = reading(0, cores=(5,))
    wide, narrow = (reading(1, cores=cores, threads=3) for cores in ((4, 5, 6, 7), (5, 6)))
    for team, expected in ((wide, [1, 0, 2, 3]), (narrow, [1, 2, 1, 2])):
        found = mapping_now(HIKEY, [single], [team])
        assert [[1, 1, 1, 1]] == found.cluster.tolist()
        assert [expected] == found.group.tolist()
        assert (3,) == found.teams
    alone = mapping_now(HIKEY, [single, reading(1, cores=(0,))], [])
    assert ([[1, 0]], [[1, 0]], ()) == (alone.cluster.tolist(), alone.group.tolist(), alone.teams)


# --- teams that are given cores -------------------------------------------------------------------


def planned(name: str, rng: np.random.Generator) -> tuple[Mappings, Mappings, list[Team]]:
    """Some mapping of up to seven, the same with up to three teams, and these."""
    board = BOARDS[name]
    count = int(rng.integers(8))
    cluster = rng.integers(len(board.clusters), size=(1, count))
    sizes = np.array([len(one.cores) for one in board.clusters])
    others = Mappings(cluster, rng.integers(0, sizes[cluster]))
    roomy = np.flatnonzero(sizes >= least_cores(board))
    teams = [
        Team(int(rng.choice(roomy)), int(rng.integers(2, 6))) for _ in range(rng.integers(1, 4))
    ]
    asked = random_demand(board, rng, count + sum(team.threads for team in teams))
    return others, with_teams(board, asked, others, teams), teams


def loads(found: Mappings, at: int, x: int, count: int | None = None) -> Counter[int]:
    """How many of the first so many there are on each core of a cluster."""
    pairs = zip(found.cluster[at][:count], found.group[at][:count], strict=True)
    return Counter(int(group) for cluster, group in pairs if cluster == x)


@given(seeds(), st.sampled_from(sorted(BOARDS)))
def test_apart_means_on_cores_without_others_where_enough_are_left(
    rng: np.random.Generator, name: str
) -> None:
    """And evenly; where too few are left they are used all the same."""
    others, found, teams = planned(name, rng)
    count, board = others.cluster.shape[1], BOARDS[name]
    assert tuple(team.threads for team in teams) == found.teams
    for x in {team.cluster for team in teams}:
        taken = set(loads(found, 0, x, count))
        free = set(range(len(board.clusters[x].cores))) - taken
        load = loads(found, 0, x)
        if len(free) >= least_cores(board):
            assert loads(others, 0, x) == Counter({core: load[core] for core in taken})
            on_free = [load[core] for core in free]
            assert max(on_free) - min(on_free) <= 1
        assert all(load[core] for core in free) or max(load[core] for core in free) == 1


@given(seeds(), st.sampled_from(sorted(BOARDS)))
def test_among_the_others_cores_fill_up_as_evenly_as_the_kernel_does_it(
    rng: np.random.Generator, name: str
) -> None:
    """Only who sits with whom is chosen."""
    others, found, teams = planned(name, rng)
    held = [team.cluster for team in teams for _ in range(team.threads)]
    by_kernel = with_threads(BOARDS[name], others, held)
    for x in set(held):
        expected = sorted(loads(by_kernel, 0, x).values())
        assert expected == sorted(loads(found, 1, x).values())


def of_these(*shares: float) -> Demand:
    """Programs that take these shares of any core at its fastest."""
    speed = random_demand(HIKEY, np.random.default_rng(0), 1).served
    served = tuple(
        np.array([values[0] / values[0, -1] / share for share in shares]) for values in speed
    )
    other = random_demand(HIKEY, np.random.default_rng(0), len(shares))
    return Demand(served, other.busy, other.l2d_per_s, other.least_opp, other.memory)


def test_a_team_sits_with_the_least_demanding() -> None:
    """Two of three threads have cores of their own, the third goes to who asks for least."""
    others = mapping([0, 0, 0], groups=[[0, 1, 2]])
    asked = of_these(0.3, 0.1, 0.2, 0.5, 0.5, 0.5)
    apart, among = with_teams(HIKEY, asked, others, [Team(0, 3)]).group[:, 3:].tolist()
    assert [3, 1, 3] == apart
    assert [3, 1, 2] == among


def test_nobody_gets_company_that_was_not_planned() -> None:
    """Both threads sit on the one free core rather than third on the least demanding's."""
    others = mapping([0, 0, 0, 0], groups=[[0, 1, 2, 2]])
    found = with_teams(HIKEY, of_these(0.4, 0.4, 0.1, 0.1, 0.2, 0.2), others, [Team(0, 2)])
    assert [3, 3] == found.group[0, 4:].tolist()
    chosen = seats(HIKEY, cluster=[0] * 4, group=[0, 1, 2, 2], present=[0, 1, 2, 2])
    given_cores = cores_of_team(HIKEY, 0, chosen, ())
    placed = place_threads([(2, given_cores), *((1, (core,)) for core in chosen)], 8)
    assert (3, 3) == placed[0]


# --- other clusters for teams ---------------------------------------------------------------------


def test_one_team_goes_elsewhere_then_two() -> None:
    """In the order in which fewest move."""
    here = [Team(0, 2), Team(1, 3)]
    ways = [[team.cluster for team in way] for way in other_homes(HIKEY, here)]
    assert [[1, 1], [0, 0], [1, 0]] == ways
    assert ways[:2] == [
        [team.cluster for team in way] for way in other_homes(HIKEY, here, at_once=1)
    ]
    assert [2, 3, 5] == [threads_away(here, way) for way in other_homes(HIKEY, here)]


def test_teams_go_where_there_is_room_for_a_team() -> None:
    """The first cluster of this board has one core."""
    assert [] == list(other_homes(BOARDS["uneven"], [Team(1, 2)]))
    assert [] == list(other_homes(HIKEY, []))


def test_only_so_many_ways_are_looked_at() -> None:
    """Two to the power of six would take too long."""
    assert MOST_HOMES == len(list(other_homes(HIKEY, [Team(0, 2)] * 6)))


def test_homes_are_where_teams_are_and_all_others_with_what_a_move_must_gain() -> None:
    """Half a kelvin for each of three threads."""
    several = reading(1, cores=(5, 6, 7), threads=3)
    found = homes(HIKEY, [reading(0, cores=(4,))], [several], gain_per_thread_k=0.5)
    assert ([Team(1, 3)], [Team(0, 3)]) == found.ways
    assert (0.0, 1.5) == found.handicap_k
    asked = of_these(0.1, 0.2, 0.2, 0.2)
    rated, handicap_k = found.beside(HIKEY, asked, mapping([0], [1], groups=[[0], [0]]))
    assert [[1, 1, 1, 1]] == rated.cluster[:1].tolist()
    assert [[0, 1, 2, 3]] == rated.group[:1].tolist()
    assert [0.0] * 5 + [1.5] * 4 == handicap_k.tolist()
    assert [1] * 4 + [0] * 4 == rated.cluster[1:, 3].tolist()
    assert (3,) == rated.teams


@pytest.mark.parametrize(
    ("taken", "threads", "apart_k", "among_k"),
    [
        ([], 3, 0.0, 0.0),
        ([0], 3, 0.0, 0.0),
        ([0, 1], 3, 0.0, UNSURE_K),
        ([0, 1, 2], 2, UNSURE_K, UNSURE_K),
        ([0, 1, 2], 3, 0.0, UNSURE_K),
        ([0, 1, 2], 5, 0.0, 0.0),
        ([0, 1, 2, 3], 4, 0.0, 0.0),
        ([0, 1, 2, 3], 3, UNSURE_K, 0.0),
    ],
)
def test_what_hangs_on_which_of_equal_cores_the_kernel_takes_must_gain_more(
    taken: list[int], threads: int, apart_k: float, among_k: float
) -> None:
    """So where four run on three cores, and on one of these is somebody of one thread."""
    asked = of_these(*[0.1] * len(taken), *[0.2] * threads)
    several = reading(9, cores=LITTLE, threads=threads)
    singles = [reading(number, cores=(core,)) for number, core in enumerate(taken)]
    found = homes(HIKEY, singles, [several], gain_per_thread_k=0.0)
    others = mapping([0] * len(taken), groups=[taken])
    _, handicap_k = found.beside(HIKEY, asked, groups_of_cores(HIKEY, []) if not taken else others)
    assert [0.0, apart_k, among_k, 0.0, 0.0] == handicap_k.tolist()
