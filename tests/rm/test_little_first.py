"""The baseline without training puts everything on the weakest cluster that serves it."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from platforms.application import Job
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from platforms.platform import ApplicationReading, Migration
from platforms.simulated.simulated_board import SimulatedBoard
from rm.checker import check_policy
from rm.governor import Governor
from rm.policies.gts import make_performance, make_qos
from rm.policies.little_first import LittleFirst
from rm.policies.registry import PolicyContext
from tests.rm.readings import HIKEY, observation, reading

BIG_LOWEST_IPS = 0.6e9
"""What a program of one instruction per cycle or so makes of 682 MHz."""


def test_a_modest_application_moves_to_a_little_core() -> None:
    """0.2e9 instructions/s are within a LITTLE core's capacity."""
    app = reading(1, cores=(4,), rate_ips=BIG_LOWEST_IPS, target_ips=0.2e9)
    assert (Migration(1, (0,)),) == LittleFirst(HIKEY).migrate(observation(app))


def test_a_demanding_application_stays_on_its_big_core() -> None:
    """No LITTLE core makes twice what a big one makes at its lowest frequency."""
    app = reading(1, cores=(4,), rate_ips=BIG_LOWEST_IPS, target_ips=1.4e9)
    assert () == LittleFirst(HIKEY).migrate(observation(app))


def test_who_misses_its_target_at_a_little_cores_top_goes_up_and_stays_up() -> None:
    """What was seen on LITTLE counts more than the guess from capacities."""
    policy = LittleFirst(HIKEY)
    slow = reading(1, cores=(0,), rate_ips=0.5e9, target_ips=0.8e9)
    assert (Migration(1, (4,)),) == policy.migrate(observation(slow, opp_index=(6, 0)))
    fast = reading(1, cores=(4,), rate_ips=2.4e9, target_ips=0.8e9)
    assert () == policy.migrate(observation(fast, opp_index=(6, 8)))


def test_the_least_demanding_get_the_little_cores() -> None:
    """With three LITTLE cores taken, the fourth goes to the smaller of two targets."""
    settled = [reading(i, cores=(i,), rate_ips=0.3e9, target_ips=0.3e9) for i in range(3)]
    larger = reading(8, cores=(4,), rate_ips=BIG_LOWEST_IPS, target_ips=0.25e9)
    smaller = reading(9, cores=(5,), rate_ips=BIG_LOWEST_IPS, target_ips=0.1e9)
    seen = observation(*settled, larger, smaller)
    assert (Migration(9, (3,)),) == LittleFirst(HIKEY).migrate(seen)


def test_a_core_that_one_of_two_leaves_is_not_free() -> None:
    """Core 4 has two: the modest one goes to LITTLE, and who comes up takes core 5."""
    modest = reading(0, cores=(4,), rate_ips=BIG_LOWEST_IPS, target_ips=0.1e9)
    stays = reading(1, cores=(4,), rate_ips=BIG_LOWEST_IPS, target_ips=1.4e9)
    slow = reading(2, cores=(0,), rate_ips=0.3e9, target_ips=0.8e9)
    seen = observation(modest, stays, slow, opp_index=(6, 0))
    policy = LittleFirst(HIKEY)
    policy.migrate(observation(replace(modest, cores=(5,)), opp_index=(6, 0)))
    assert (Migration(0, (1,)), Migration(2, (5,))) == policy.migrate(seen)


# --- applications of several threads --------------------------------------------------------------

LITTLE_TOP_IPS = 0.7e9
"""A little less than what such a program is guessed to make of a LITTLE core at 1844 MHz."""


def several(number: int = 1, **fields: Any) -> ApplicationReading:
    """Three threads on the big cluster at its lowest point, which LITTLE cores would serve."""
    sound: dict[str, Any] = {"cores": (4, 5, 6, 7), "threads": 3, "rate_ips": 3 * BIG_LOWEST_IPS}
    return reading(number, **(sound | {"target_ips": 3 * LITTLE_TOP_IPS} | fields))


def moved(*applications: ApplicationReading) -> dict[int, tuple[int, ...]]:
    """Who is moved where, by a policy that has seen nothing else."""
    moves = LittleFirst(HIKEY).migrate(observation(*applications))
    return {move.application_id: move.cores for move in moves}


def test_a_modest_application_of_several_threads_moves_to_the_little_cluster() -> None:
    """As a single thread of it would, but to all cores."""
    assert {1: (0, 1, 2, 3)} == moved(several())
    assert {} == moved(several(target_ips=3 * 1.4e9))


def test_no_more_cores_work_for_it_than_it_has_threads() -> None:
    """What four threads reach on four cores is too much for two."""
    four = several(threads=4, rate_ips=4 * BIG_LOWEST_IPS, target_ips=4 * LITTLE_TOP_IPS)
    assert {1: (0, 1, 2, 3)} == moved(four)
    assert {} == moved(replace(four, threads=2, rate_ips=2 * BIG_LOWEST_IPS))


def test_several_threads_go_where_nobody_else_is() -> None:
    """They get the cores that are left, two at least, if these serve them all."""
    taken = [reading(10 + core, cores=(core,), target_ips=0.1e9) for core in range(3)]
    two_are_enough = several(target_ips=2 * LITTLE_TOP_IPS)
    assert {1: (1, 2, 3)} == moved(two_are_enough, *taken[:1])
    assert {1: (2, 3)} == moved(two_are_enough, *taken[:2])
    assert {} == moved(two_are_enough, *taken)
    assert {} == moved(several(), *taken[:2])


def test_single_threads_get_the_cores_that_several_leave_idle_and_these_keep_away() -> None:
    """Three threads need three of the four cores."""
    little = several(cores=(0, 1, 2, 3), rate_ips=3 * 0.2e9)
    single = reading(2, cores=(4,), rate_ips=BIG_LOWEST_IPS, target_ips=0.2e9)
    assert {1: (0, 1, 2), 2: (3,)} == moved(little, single)
    there = replace(single, cores=(3,), rate_ips=0.2e9)
    assert {} == moved(replace(little, cores=(0, 1, 2)), there)


def test_who_left_cores_to_another_gets_them_back() -> None:
    """Two cores are enough, three are as good at a lower clock."""
    narrow = several(cores=(0, 1), rate_ips=2 * 0.3e9, target_ips=0.6e9)
    assert {1: (0, 1, 2, 3)} == moved(narrow)


@pytest.mark.parametrize("board", ["hikey970", "hikey960", "rk3588"])
def test_it_keeps_the_promises_of_a_policy_on_every_board(board: str) -> None:
    """Two clusters or three, with capacities or without."""
    described = load_board(board)
    check_policy(lambda: LittleFirst(described), described)


def test_it_is_cooler_than_big_first_at_the_same_dvfs_and_misses_nothing() -> None:
    """Otherwise it would be no baseline. Temperatures are simulated."""
    profiles = shipped_applications()
    names = ("splash2x.barnes", "splash2x.raytrace", "parsec.dedup")
    energy_j = {}
    for make in (LittleFirst, lambda board: make_qos(PolicyContext(board, None))):  # type: ignore[arg-type]
        jobs = [
            Job(id=i, profile=profiles[name], target_ips=0.35e9, instructions=1e15)
            for i, name in enumerate(names)
        ]
        simulated = SimulatedBoard(
            HIKEY, cooling=HIKEY.cooling[0], rng=np.random.default_rng(0), jobs=jobs
        )
        policy = make(HIKEY)
        Governor(simulated, policy, simulated.clock).run(60.0)
        energy_j[policy.name] = simulated.energy_j
        assert all(r.mean_ips > 0.95 * r.job.target_ips for r in simulated.records())
    assert energy_j["little-first"] < 0.8 * energy_j["gts-qos"]


def test_performance_asks_for_the_top_whatever_runs() -> None:
    """Linux's performance governor knows one frequency."""
    policy = make_performance(PolicyContext(HIKEY, None))  # type: ignore[arg-type]
    assert HIKEY.highest_opps == policy.scale(observation())
