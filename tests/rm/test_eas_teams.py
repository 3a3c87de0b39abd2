"""Tests of applications of several threads under EAS: together, to a cluster with room for each."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.decision_check import decision_problems
from platforms.platform import Decision, Migration
from rm.policies.eas import EasSchedutil
from rm.policies.eas_teams import after, cheapest, pulled
from rm.policies.energy_model import EnergyModel
from rm.policies.run_queues import Landscape, RunQueues, Task, Team
from tests.rm.readings import HIKEY, observation, reading

MODEL = EnergyModel.of(HIKEY)
CAPACITY = MODEL.core_capacity
LITTLE, BIG = (0, 1, 2, 3), (4, 5, 6, 7)
ALWAYS = 1024.0


def _landscape(*teams: Team, singles: tuple[int, ...] = (), util: float = ALWAYS) -> Landscape:
    """Teams, and tasks of so much utilisation on these cores."""
    tasks = tuple(Task(10 + n, core, util) for n, core in enumerate(singles))
    core_util = [util * singles.count(core) for core in range(8)]
    threads = Counter(singles)
    for team in teams:
        threads.update(team.cores)
        for core, used in zip(team.cores, team.utils, strict=True):
            core_util[core] += used
    return Landscape(tasks, tuple(core_util), tuple(threads[core] for core in range(8)), teams)


def _team(*cores: int, util: float = ALWAYS) -> Team:
    return Team(0, cores, (util,) * len(cores))


# --- by capacity ----------------------------------------------------------------------------------


def test_threads_that_do_not_fit_are_pulled_up_together() -> None:
    """As each would be, once there is an idle core for all."""
    assert [(0, BIG)] == pulled(MODEL, _landscape(_team(0, 1, 2), singles=(4,)), CAPACITY)
    assert [] == pulled(MODEL, _landscape(_team(0, 1, 2), singles=(4, 5)), CAPACITY)
    assert [] == pulled(MODEL, _landscape(_team(0, 1, 2, util=100.0)), CAPACITY)


def test_threads_that_share_cores_are_pulled_to_idle_ones() -> None:
    """Also to weaker ones; a team that has its cores to itself stays."""
    crowded = _landscape(_team(6, 7, 4), singles=(4, 5))
    assert [(0, LITTLE)] == pulled(MODEL, crowded, CAPACITY)
    assert [] == pulled(MODEL, _landscape(_team(6, 7), singles=(4, 5)), CAPACITY)


def test_the_second_team_sees_where_the_first_went() -> None:
    """Four big cores are enough for one of them."""
    first, second = Team(0, (0, 1), (ALWAYS,) * 2), Team(1, (2, 3, 0), (ALWAYS,) * 3)
    assert [(0, BIG)] == pulled(MODEL, _landscape(first, second), CAPACITY)


# --- by energy ------------------------------------------------------------------------------------


def test_a_team_with_idle_time_goes_where_it_takes_least_energy() -> None:
    """LITTLE cores, as long as every thread fits there."""
    assert [(0, LITTLE)] == cheapest(MODEL, _landscape(_team(4, 5, 6, util=50.0)), CAPACITY)
    assert [] == cheapest(MODEL, _landscape(_team(0, 1, 2, util=50.0)), CAPACITY)
    assert [] == cheapest(MODEL, _landscape(_team(4, 5, 6, util=400.0)), CAPACITY)


def test_what_others_use_of_the_little_cores_counts() -> None:
    """200 of 360 leave no room for threads of 100."""
    full = _landscape(_team(4, 5, util=100.0), singles=LITTLE, util=200.0)
    assert [] == cheapest(MODEL, full, CAPACITY)


def test_a_team_that_fits_nowhere_stays() -> None:
    """The tipping point is another rule's."""
    assert [] == cheapest(MODEL, _landscape(_team(0, 1, util=ALWAYS)), CAPACITY)


# --- all of it ------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6), st.data())
def test_what_has_moved_is_there_and_nothing_is_lost(cores: list[int], data: st.DataObject) -> None:
    """Threads and their utilisation."""
    seen = _landscape(_team(0, 1), singles=tuple(cores))
    ends = data.draw(st.lists(st.integers(0, 7), min_size=len(cores), max_size=len(cores)))
    moves = [(10 + n, core) for n, core in enumerate(ends)]
    expected = _landscape(_team(0, 1), singles=tuple(ends))
    found = after(seen, moves)
    assert expected.core_threads == found.core_threads
    assert list(expected.core_util) == pytest.approx(list(found.core_util))
    assert expected.teams == found.teams


def test_run_queues_show_the_threads_of_a_team_where_they_are() -> None:
    """Beside the cores of others."""
    queues = RunQueues(HIKEY, MODEL)
    team = reading(0, cores=BIG, threads=3)
    landscape = queues.follow(observation(team, reading(1, cores=(5,)), opp_index=(6, 8)))
    (found,) = landscape.teams
    assert (4, 6, 7) == found.cores
    assert [landscape.core_util[core] for core in found.cores] == list(found.utils)


def test_the_policy_moves_a_busy_team_up_and_leaves_it_there() -> None:
    """All cores are allowed: the kernel spreads the threads."""
    policy = EasSchedutil(HIKEY)
    little = reading(0, cores=LITTLE, threads=3)
    seen = observation(little, opp_index=(6, 8))
    policy.scale(seen)
    moves = policy.migrate(seen)
    assert (Migration(0, BIG),) == moves
    assert [] == list(decision_problems(HIKEY, {0: 3}, Decision(moves)))
    there = observation(reading(0, cores=BIG, threads=3), opp_index=(6, 8), time_s=1.5)
    assert () == policy.migrate(there)
