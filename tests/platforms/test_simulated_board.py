"""Tests of the simulated board: time, work, heat and decisions agree with each other."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.application import Phase
from platforms.board import Board
from platforms.decision_check import IllegalDecision, placement_problems
from platforms.observation_check import observation_problems
from platforms.platform import Decision, Migration
from platforms.simulated.equilibrium import ThermalRunaway
from tests.platforms.programs import (
    BIG,
    COMPUTE,
    HIKEY,
    LITTLE,
    MEMORY,
    PHASED,
    done,
    job,
    move,
    opps,
    simulated,
    single_core_clusters,
)

LITTLE_HZ, BIG_HZ = (cluster.freqs_hz for cluster in HIKEY.clusters)


# --- time ---------------------------------------------------------------------------------------


def test_advancing_in_one_go_equals_advancing_in_leakage_steps() -> None:
    """Who watches more often must not change what happens (1 uK)."""
    jobs = [job(0, COMPUTE, cores=(4,)), job(1, MEMORY, cores=(1,))]
    at_once, in_pieces = simulated(*jobs), simulated(*jobs)
    for board in (at_once, in_pieces):
        board.apply(opps(3, 6))
    at_once.advance_to(30.0)
    for step in range(1, 301):
        in_pieces.advance_to(step / 10)
    np.testing.assert_allclose(at_once.temperatures_c, in_pieces.temperatures_c, atol=1e-6)
    assert at_once.energy_j == pytest.approx(in_pieces.energy_j, rel=1e-7)


@settings(max_examples=30)
@given(st.lists(st.floats(1e-4, 2.0), min_size=1, max_size=25))
def test_work_does_not_depend_on_when_one_looks(pieces_s: list[float]) -> None:
    """Instructions agree to 1e-6, temperatures to what a leakage step can hide (0.1 mK)."""
    jobs = [
        job(0, PHASED, cores=(4,)),
        job(1, MEMORY, cores=(5,), arrival_s=0.3),
        job(2, PHASED, cores=(0,), instructions=2e9),
    ]
    at_once, in_pieces = simulated(*jobs), simulated(*jobs)
    for board in (at_once, in_pieces):
        board.apply(opps(6, 8))
    for time_s in np.cumsum(pieces_s):
        in_pieces.advance_to(float(time_s))
        in_pieces.observe()
    at_once.advance_to(in_pieces.now_s)
    assert [r.job.id for r in at_once.records()] == [r.job.id for r in in_pieces.records()]
    for one, other in zip(at_once.records(), in_pieces.records(), strict=True):
        assert one.instructions == pytest.approx(other.instructions, rel=1e-6)
        assert one.start_s == other.start_s
        assert one.end_s == pytest.approx(other.end_s)
    np.testing.assert_allclose(at_once.temperatures_c, in_pieces.temperatures_c, atol=1e-4)


def test_energy_is_the_integral_of_power() -> None:
    """Both are told apart nowhere else: a policy is judged by one, a thermal model by the other."""
    board = simulated(job(0, COMPUTE, cores=(4,)), job(1, MEMORY, cores=(5,)))
    board.apply(opps(2, 7))
    integral_j = 0.0
    for step in range(1, 201):
        before_w = float(board.power_w.sum())
        board.advance_to(0.1 * step)
        integral_j += 0.05 * (before_w + float(board.power_w.sum()))
    assert board.energy_j == pytest.approx(integral_j, rel=1e-6)


@given(st.integers(1, 60))
def test_what_is_due_at_a_time_has_happened_when_it_is_reached(step: int) -> None:
    """Sums of tenths miss their decimals by a bit; an arrival must not be missed for that."""
    due_s = step / 10
    board = simulated(job(0, cores=(4,)), job(1, cores=(5,), arrival_s=due_s))
    for number in range(1, step + 1):
        board.advance_to(number / 10)
    assert due_s == board.now_s
    assert [0, 1] == [app.id for app in board.observe().applications]


def test_time_that_has_passed_does_not_come_back() -> None:
    """Sleeping until yesterday returns at once, as on any clock."""
    board = simulated(job())
    board.clock.sleep_until(2.0)
    board.clock.sleep_until(1.0)
    assert 2.0 == board.clock.now_s()


def test_an_idle_board_stays_at_ambient_and_takes_no_energy() -> None:
    """Idle cores sleep; what a board takes besides is folded into the cooling."""
    board = simulated(cooling="passive-35")
    board.advance_to(500.0)
    np.testing.assert_allclose(board.temperatures_c, 35.0, atol=1e-9)
    assert 0.0 == board.energy_j
    assert board.idle_for_good


# --- work ---------------------------------------------------------------------------------------


def test_instructions_are_rate_times_time_over_all_observations() -> None:
    """What the counters show adds up to what was done, through phases and a newcomer's window."""
    board = simulated(job(0, PHASED, cores=(4,)), job(1, MEMORY, cores=(5,), arrival_s=0.33))
    board.apply(opps(0, 8))
    counted = {0: 0.0, 1: 0.0}
    for step in range(1, 101):
        board.advance_to(0.05 * step)
        seen = board.observe()
        for app in seen.applications:
            start_s = 0.33 if app.id == 1 else 0.0
            counted[app.id] += app.rate_ips * min(seen.window_s, seen.time_s - start_s)
    for number, instructions in counted.items():
        assert instructions == pytest.approx(done(board, number), rel=1e-6)


def test_two_applications_on_one_core_get_half_of_it_each() -> None:
    """The fair scheduler knows no other priority."""
    board = simulated(job(0, cores=(4,)), job(1, cores=(4,)))
    board.advance_to(1.0)
    assert [BIG_HZ[0], BIG_HZ[0]] == [app.rate_ips for app in board.observe().applications]


def test_arrivals_and_ends_happen_at_their_exact_time() -> None:
    """They are events of their own: no tick rounds them."""
    instructions = 0.75 * BIG_HZ[0] * 2
    board = simulated(job(cores=(4,), arrival_s=1.2345, instructions=instructions))
    board.advance_to(1.2344)
    assert () == board.observe().applications
    board.advance_to(1.2345)
    assert [0] == [app.id for app in board.observe().applications]
    board.advance_to(10.0)
    (record,) = board.records()
    assert record.start_s == 1.2345
    assert record.end_s == pytest.approx(1.2345 + 0.75, rel=1e-12)
    assert record.instructions == pytest.approx(instructions, rel=1e-12)
    assert board.idle_for_good


def test_who_comes_at_time_0_is_there_at_time_0() -> None:
    """The first observation, before any time passes, is of a running board."""
    seen = simulated(job(cores=(6,))).observe()
    assert [(6,)] == [app.cores for app in seen.applications]
    assert [2.0 * BIG_HZ[0]] == [app.rate_ips for app in seen.applications]
    assert 1.0 == seen.core_utilisation[6]


def test_phases_change_the_speed_at_their_instruction_and_repeat() -> None:
    """A cycle of the phased program on a big core: 1e9 at cpi 0.25, then 2e9 at cpi 0.625."""
    fast_s, slow_s = 1e9 * 0.25 / BIG_HZ[8], 2e9 * 0.625 / BIG_HZ[8]
    board = simulated(job(0, PHASED, cores=(4,)))
    board.apply(opps(0, 8))
    for cycle in range(3):
        start_s = cycle * (fast_s + slow_s)
        board.advance_to(start_s + fast_s - 1e-6)
        assert 0 == board.running[0].phase
        board.advance_to(start_s + fast_s + 1e-6)
        assert 1 == board.running[0].phase
        board.advance_to(start_s + fast_s + slow_s)
        assert done(board) == pytest.approx((cycle + 1) * 3e9, rel=1e-9)


def test_contention_slows_only_those_who_wait_for_memory() -> None:
    """Another program's traffic cannot reach who never leaves the caches."""
    alone = simulated(job(0, COMPUTE, cores=(4,)), job(1, MEMORY, cores=(5,)))
    crowd = simulated(
        job(0, COMPUTE, cores=(4,)),
        *(job(number, MEMORY, cores=(4 + number,)) for number in (1, 2, 3)),
    )
    rates = []
    for board in (alone, crowd):
        board.advance_to(1.0)
        rates.append([app.rate_ips for app in board.observe().applications])
    assert rates[0][0] == rates[1][0]
    assert rates[0][1] > 1.05 * rates[1][1]


# --- migrations ---------------------------------------------------------------------------------


def _done_after_a_move(cores: tuple[int, ...], on: Board = HIKEY) -> float:
    board = simulated(job(0, cores=(4,)), board=on)
    board.advance_to(1.0)
    board.apply(move(0, *cores))
    return done(board)


def test_a_migration_costs_work_and_more_so_across_clusters() -> None:
    """Within a cluster the L2 cache stays warm: 50 us against 470 us onto the LITTLE cores."""
    rate_ips = 2.0 * BIG_HZ[0]
    stays, near, far = (_done_after_a_move(cores) for cores in ((4,), (5,), (0,)))
    assert rate_ips == pytest.approx(stays)
    assert stays - near == pytest.approx(rate_ips * 50e-6, rel=1e-6)
    assert stays - far == pytest.approx(rate_ips * 470e-6, rel=0.01)


def test_a_move_to_a_core_with_an_l2_cache_of_its_own_refills_that_as_well() -> None:
    """Within the cluster too: 1 MiB onto the LITTLE cores, 2 MiB onto the next big one."""
    private = replace(HIKEY, clusters=tuple(replace(c, l2_shared=False) for c in HIKEY.clusters))
    stays, near, far = (_done_after_a_move(cores, private) for cores in ((4,), (5,), (0,)))
    rate_ips = 2.0 * BIG_HZ[0]
    assert stays - near == pytest.approx(rate_ips * 889e-6, rel=0.01)
    assert stays - far == pytest.approx(rate_ips * 470e-6, rel=0.01)


def test_a_move_across_clusters_is_dearer_however_small_the_l2_cache_is() -> None:
    """It loses all that a move within the cluster loses, and its L2 cache."""
    tiny = replace(HIKEY, clusters=tuple(replace(c, l2_bytes=4096) for c in HIKEY.clusters))
    left = []
    for core in (5, 0):
        board = simulated(job(0, cores=(4,)), board=tiny)
        board.advance_to(1.0)
        board.apply(move(0, core))
        left.append(done(board))
    assert left[1] < left[0]


def test_counters_never_run_backwards_over_a_migration() -> None:
    """Work that was lost is not counted when it is done again, wherever one looks in between."""
    board = simulated(job(0, cores=(4,)))
    board.advance_to(1.0)
    counted = board.observe().applications[0].rate_ips * 1.0
    board.apply(move(0, 0))
    for step in range(3):  # looks at once and in the middle of the refill
        board.advance_to(1.0 + 1e-4 * step)
        seen = board.observe()
        assert seen.applications[0].rate_ips >= 0.0
        counted += seen.applications[0].rate_ips * seen.window_s
    board.advance_to(2.0)
    seen = board.observe()
    counted += seen.applications[0].rate_ips * seen.window_s
    assert counted == pytest.approx(done(board), rel=1e-9)


def test_power_follows_the_application() -> None:
    """The core that it left sleeps, in the observation of the same moment too."""
    board = simulated(job(0, cores=(4,)))
    board.advance_to(1.0)
    before, _ = board.power_w, board.observe()
    board.apply(move(0, 1))
    after, seen = board.power_w, board.observe()
    core1, core4 = (board.network.names.index(name) for name in ("core1", "core4"))
    assert before[core4] > 0.1
    assert 0.0 == before[core1] == after[core4]
    assert after[core1] > 0.01
    assert (0.0, 1.0) == (seen.core_utilisation[4], seen.core_utilisation[1])
    assert [LITTLE_HZ[0]] == [app.rate_ips for app in board.observe().applications]


def test_power_follows_the_phase() -> None:
    """A livelier phase takes more at the same speed."""
    calm, lively = (
        Phase(instructions=1e9, cpi_scale=1.0, stall_scale=1.0, activity_scale=scale)
        for scale in (0.8, 1.2)
    )
    board = simulated(job(0, replace(COMPUTE, phases=(calm, lively)), cores=(4,)))
    core4 = board.network.names.index("core4")
    before_w = board.power_w[core4]
    board.advance_to(1.1e9 / (2.0 * BIG_HZ[0]))
    assert 1 == board.running[0].phase
    assert 1.2 * before_w < board.power_w[core4]


def test_heat_follows_the_application() -> None:
    """The hottest node is the core that works, soon after a move."""
    board = simulated(job(0, cores=(4,)))
    board.advance_to(60.0)
    assert "core4" == board.network.names[int(board.temperatures_c.argmax())]
    board.apply(move(0, 6))
    board.advance_to(63.0)
    assert "core6" == board.network.names[int(board.temperatures_c.argmax())]


def test_a_decision_for_a_vanished_application_is_passed_over() -> None:
    """It may end while the policy thinks; the rest of the decision holds."""
    board = simulated(job(0, cores=(4,)), job(1, cores=(5,), instructions=1e6))
    board.advance_to(1.0)
    board.apply(Decision((Migration(1, (2,)), Migration(77, (3,)), Migration(0, (6,))), (1, 1)))
    seen = board.observe()
    assert [(0, (6,))] == [(app.id, app.cores) for app in seen.applications]
    assert (1, 1) == seen.opp_index


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (move(0, 8), r"application 0: cores must be out of 0 ... 7 \(got \[8\]\)"),
        (move(0, -1), r"application 0: cores must be out of 0 ... 7 \(got \[-1\]\)"),
        (move(0), r"application 0: cores must be one core for one thread \(got \[\]\)"),
        (move(0, 4, 5), r"application 0: cores must be one core for one thread \(got \[4, 5\]\)"),
        (move(1, 4), r"application 1: cores must be several cores for 2 threads \(got \[4\]\)"),
        (move(1, 4, 4), r"application 1: cores must name each core once \(got \[4, 4\]\)"),
        (move(1, 3, 4), r"application 1: cores must lie in one cluster \(got \[3, 4\]\)"),
        (opps(0, 9), r"opp_index of big must be out of 0 ... 8 \(got 9\)"),
        (opps(-1, 0), r"opp_index of little must be out of 0 ... 6 \(got -1\)"),
        (opps(3), r"opp_index must have one entry for each of 2 clusters \(got \[3\]\)"),
    ],
)
def test_an_illegal_decision_is_refused_as_a_whole(decision: Decision, message: str) -> None:
    """A policy's mistake must show where it is made, and leave nothing half done."""
    board = simulated(job(0, cores=(4,)), job(1, cores=(0, 1, 2, 3), threads=2))
    before = board.observe()
    legal = Decision((Migration(0, (6,)), *decision.migrations), decision.opp_index or (1, 1))
    with pytest.raises(IllegalDecision, match=message):
        board.apply(legal)
    after = board.observe()
    assert [app.cores for app in before.applications] == [app.cores for app in after.applications]
    assert before.opp_index == after.opp_index


# --- several threads ----------------------------------------------------------------------------


def test_several_threads_spread_over_their_cluster() -> None:
    """Three threads on four cores disturb each other as little as they can."""
    board = simulated(job(0, cores=(4, 5, 6, 7), threads=3))
    board.advance_to(1.0)
    seen = board.observe()
    assert 3 * 2.0 * BIG_HZ[0] == seen.applications[0].rate_ips
    assert 3.0 == sum(seen.core_utilisation[4:])
    assert 0.0 == sum(seen.core_utilisation[:4])


def test_several_threads_make_room_for_one_that_is_pinned() -> None:
    """The scheduler moves who may move, whoever came first."""
    board = simulated(job(0, cores=(4, 5, 6, 7), threads=2), job(1, cores=(4,), arrival_s=0.5))
    board.advance_to(1.0)
    board.observe()
    board.advance_to(2.0)
    rates = [app.rate_ips for app in board.observe().applications]
    assert [4.0 * BIG_HZ[0], 2.0 * BIG_HZ[0]] == pytest.approx(rates)


def test_a_newcomer_sees_threads_where_they_run() -> None:
    """A cluster with two threads on four cores has room for two more."""
    newcomers = [job(number, arrival_s=float(number)) for number in (1, 2)]
    board = simulated(job(0, cores=(4, 5, 6, 7), threads=2), *newcomers)
    board.advance_to(2.0)
    board.observe()
    seen = board.observe()
    assert {BIG} == {HIKEY.cluster_of_core[app.cores[0]] for app in seen.applications}
    assert (1.0,) * 4 == seen.core_utilisation[4:]


def test_newcomers_take_big_cores_first_then_little_ones() -> None:
    """As the kernel starts programs that nobody placed."""
    board = simulated(*(job(number, arrival_s=0.1 * number) for number in range(6)))
    board.advance_to(1.0)
    cores = [app.cores[0] for app in board.observe().applications]
    assert [4, 5, 6, 7, 0, 1] == cores


def test_several_threads_run_on_one_core_where_no_cluster_has_two() -> None:
    """One rule for where the board starts them, for what jobs ask and for what policies decide."""
    lonely = single_core_clusters()
    assert [] == list(placement_problems(lonely, 2, (0,)))
    board = simulated(job(0, threads=2), job(1, cores=(0,), threads=3), board=lonely)
    board.advance_to(1.0)
    assert [(1,), (0,)] == [app.cores for app in board.observe().applications]
    board.apply(move(0, 0))
    seen = board.observe()
    assert [(0,), (0,)] == [app.cores for app in seen.applications]
    assert [] == list(observation_problems(lonely, seen))
    with pytest.raises(IllegalDecision, match=r"cores must be at least one core for 2 threads"):
        board.apply(Decision((Migration(0, ()),)))


# --- what is seen -------------------------------------------------------------------------------


def test_observing_twice_at_the_same_time_gives_finite_numbers() -> None:
    """A window of no length has a rate all the same: the present one."""
    board = simulated(job(0, MEMORY), job(1, arrival_s=1.0))
    board.advance_to(1.0)
    board.observe()
    seen = board.observe()
    assert 0.0 == seen.window_s
    assert all(math.isfinite(app.rate_ips) and app.rate_ips > 0 for app in seen.applications)
    assert {0.0, 1.0} == set(seen.core_utilisation)


def test_utilisation_is_the_busy_share_of_the_window() -> None:
    """A core that works from the middle of the window on was busy for half of it."""
    board = simulated(job(0, cores=(0,)), job(1, cores=(4,), arrival_s=0.5))
    board.advance_to(1.0)
    utilisation = board.observe().core_utilisation
    assert (1.0, 0.5) == (utilisation[0], utilisation[4])
    board.advance_to(1.25)
    board.apply(move(1, 5))
    board.advance_to(2.0)
    utilisation = board.observe().core_utilisation
    assert (1.0, 0.0) == utilisation[:2]
    assert (0.25, 0.75) == utilisation[4:6]
    board.advance_to(2.05)
    assert (0.0, 1.0) == board.observe().core_utilisation[4:6]


def test_the_first_reading_is_a_temperature_of_this_board() -> None:
    """A sensor that was never read must not claim 0 degC."""
    seen = simulated(start_temp_c=50.0).observe()
    assert [50.0] == pytest.approx([reading.temp_c for reading in seen.temperatures], abs=3.0)
    assert [0.0] == [reading.age_s for reading in seen.temperatures]


def test_the_same_seed_gives_the_same_observations() -> None:
    """Noise is drawn from the generator that was passed in and from nothing else."""
    seen = []
    for seed in (1, 1, 2):
        board = simulated(job(0, MEMORY), seed=seed)
        board.advance_to(10.0)
        seen.append(board.observe())
    assert seen[0] == seen[1]
    assert seen[0].temperatures != seen[2].temperatures
    assert seen[0].applications == seen[2].applications


# --- heat ---------------------------------------------------------------------------------------


def test_settling_equals_waiting_for_a_long_time() -> None:
    """The steady solve and the transient are one model (1 mK)."""
    jobs = [job(0, cores=(4,)), job(1, MEMORY, cores=(5,)), job(2, cores=(0,))]
    settled, waited = (simulated(*jobs, cooling="passive") for _ in range(2))
    for board in (settled, waited):
        board.apply(opps(4, 5))
    settled.settle()
    assert 0.0 == settled.now_s
    waited.advance_to(2500.0)
    np.testing.assert_allclose(settled.temperatures_c, waited.temperatures_c, atol=1e-3)
    settled.advance_to(50.0)
    np.testing.assert_allclose(settled.temperatures_c, waited.temperatures_c, atol=1e-3)


def test_after_settling_every_sensor_keeps_its_own_period() -> None:
    """A slow sensor's value ages until its period is over, however often another is read."""
    slow = replace(HIKEY.sensors[0], name="slow", period_s=10.0)
    board = simulated(job(0), board=replace(HIKEY, sensors=(*HIKEY.sensors, slow)))
    board.settle()
    board.advance_to(5.5)
    ages = {reading.sensor: reading.age_s for reading in board.observe().temperatures}
    assert {"cls0": 0.5, "slow": 5.5} == pytest.approx(ages)


def test_the_kernels_protection_caps_what_was_asked_and_gives_it_back() -> None:
    """It acts below every policy, shows in the observation, and forgets no wish."""
    board = simulated(job(0, cores=(4,)), start_temp_c=95.0)
    board.apply(opps(6, 8))
    board.advance_to(3.5)
    hot = board.observe()
    assert HIKEY.lowest_opps == hot.opp_cap == hot.opp_index
    board.apply(opps(1, 8))
    assert HIKEY.lowest_opps == board.observe().opp_index
    board.advance_to(100.0)
    cool = board.observe()
    assert HIKEY.highest_opps == cool.opp_cap
    assert (1, 8) == cool.opp_index
    assert 3.5 < board.throttled_s < 100.0


def test_a_hot_board_is_looked_at_between_the_samples_of_its_sensor() -> None:
    """The kernel polls the hardware every 25 ms, however seldom the sensor refreshes for others."""
    board = simulated(job(0, cores=(4,)), start_temp_c=95.0)
    board.apply(opps(6, 8))
    board.advance_to(0.9)
    seen = board.observe()
    assert seen.opp_cap[1] < 4  # one sample, of which one point would have come
    assert [0.9] == pytest.approx([reading.age_s for reading in seen.temperatures])


def test_a_cool_boards_protection_draws_no_noise_and_takes_no_time() -> None:
    """Below the switch-on temperature it costs nothing: readings are as if it were not there."""
    seen = []
    for board in (HIKEY, replace(HIKEY, protection=None)):
        cool = simulated(job(0, cores=(4,)), board=board, start_temp_c=55.0)
        cool.advance_to(20.0)
        seen.append(cool.observe())
    assert seen[0] == seen[1]


def test_runaway_is_raised_with_node_and_time() -> None:
    """A board that destroys itself must not go on being simulated."""
    leaky = tuple(replace(c, leakage_w_per_v3=1e-3 + 0.15) for c in HIKEY.clusters)
    unprotected = replace(HIKEY, protection=None, clusters=(HIKEY.clusters[0], leaky[1]))
    jobs = [job(number, cores=(4 + number,)) for number in range(4)]
    board = simulated(*jobs, board=unprotected, cooling="passive-35", start_temp_c=120.0)
    board.apply(opps(0, 8))
    with pytest.raises(ThermalRunaway, match=r"core[4-7] passes 150 degC \(at \d+\.\d s\)") as told:
        board.advance_to(3600.0)
    assert told.value.node in {"core4", "core5", "core6", "core7"}
    assert told.value.time_s == board.now_s
    assert told.value.temp_c > 150.0


def test_a_faster_cluster_is_hotter_and_a_slower_one_cooler() -> None:
    """The first thing that any policy relies on."""
    peaks = []
    for opp in (0, 4, 8):
        board = simulated(job(0, cores=(5,)))
        board.apply(opps(0, opp))
        board.settle()
        peaks.append(float(board.temperatures_c.max()))
    assert peaks == sorted(peaks)
    assert peaks[2] - peaks[0] > 2.0


def test_records_tell_of_all_who_came() -> None:
    """Ended or not, in the order of their ids; who has not come yet is not told of."""
    board = simulated(
        job(2, cores=(4,)),
        job(1, cores=(5,), instructions=1e8),
        job(0, cores=(LITTLE,), arrival_s=0.5),
        job(3, arrival_s=99.0),
    )
    board.advance_to(1.0)
    records = board.records()
    assert [0, 1, 2] == [record.job.id for record in records]
    assert [True, False, True] == [record.end_s is None for record in records]
    assert records[2].mean_ips == pytest.approx(2.0 * BIG_HZ[0])
    assert not board.idle_for_good
