"""Tests of DVFS that knows about stalls: at once to the lowest point that serves all."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.application import ApplicationProfile, Job
from platforms.platform import Decision, Migration
from platforms.simulated.simulated_board import SimulatedBoard
from rm.dvfs import QosScaling
from rm.speed_estimate import SpeedEstimator
from rm.speed_priors import SpeedPriors
from rm.stall_aware_dvfs import SETTLE_ROUNDS, StallAwareScaling, needed_hz
from tests.platforms.programs import COMPUTE, MEMORY, PHASED, job, simulated
from tests.rm.readings import HIKEY, observation, reading

LITTLE_HZ, BIG_HZ = (cluster.freqs_hz for cluster in HIKEY.clusters)
NO_STALLS = SpeedPriors(stall_s_per_cycle=0.0, cycles=(2.0, 1.0))
ROUND_S = 0.05


def scaling(priors: SpeedPriors = NO_STALLS) -> StallAwareScaling:
    """A loop whose estimator knows the priors alone."""
    return StallAwareScaling(HIKEY, SpeedEstimator(HIKEY, priors))


def settled(loop: StallAwareScaling, seen: object) -> tuple[int, ...]:
    """What the loop says once it has sat out the rounds after an arrival."""
    for _ in range(SETTLE_ROUNDS):
        loop.scale(seen)  # type: ignore[arg-type]
    return loop.scale(seen)  # type: ignore[arg-type]


@given(st.floats(1e8, 4e9), st.floats(1e8, 4e9), st.floats(0.0, 3e-9))
def test_the_frequency_needed_is_the_one_that_was_just_enough(
    now_hz: float, enough_hz: float, stall: float
) -> None:
    """An instruction takes ``c (1 / f + u)``, here and there."""
    reached = (1.0 / enough_hz + stall) / (1.0 / now_hz + stall)
    assert enough_hz == pytest.approx(needed_hz(now_hz, reached, stall), rel=1e-6)


@given(st.floats(1e8, 4e9), st.floats(0.01, 1.0), st.floats(0.0, 3e-9), st.floats(0.0, 1e-9))
def test_stalls_ask_for_more_clock_when_late_and_allow_less_when_early(
    now_hz: float, reached: float, stall: float, more: float
) -> None:
    """Only the rest of the time follows the clock."""
    tolerance = 1.0 + 1e-9
    assert needed_hz(now_hz, reached, stall) <= needed_hz(now_hz, reached, stall + more) * tolerance
    early = 1.0 / reached
    assert needed_hz(now_hz, early, stall + more) <= needed_hz(now_hz, early, stall) * tolerance


def test_no_frequency_is_enough_where_the_stalls_alone_take_too_long() -> None:
    """Nor for who stands still."""
    assert math.inf == needed_hz(1e9, 0.4, 1e-9)
    assert math.inf == needed_hz(1e9, 0.5, 1e-9)
    assert needed_hz(1e9, 0.6, 1e-9) < math.inf
    assert math.inf == needed_hz(1e9, 0.0, 0.0)


def test_it_goes_straight_to_the_lowest_point_that_serves_the_most_demanding() -> None:
    """Per cluster; an idle one takes its lowest."""
    seen = observation(
        reading(0, cores=(0,), rate_ips=1.0e9, target_ips=1.1e9),
        reading(1, cores=(1,), rate_ips=1.0e9, target_ips=2.2e9),
        opp_index=(0, 8),
    )
    little = next(i for i, hz in enumerate(LITTLE_HZ) if hz >= 2.2 * LITTLE_HZ[0])
    assert little > 1
    assert (little, 0) == settled(scaling(), seen)


def test_it_counts_on_the_stalls_that_the_estimate_tells_of() -> None:
    """Twice as fast takes more than twice the clock."""
    seen = observation(reading(0, cores=(4,), rate_ips=1.0e9, target_ips=1.9e9), opp_index=(0, 0))
    (_, linear), (_, aware) = (
        settled(scaling(SpeedPriors(stall_s_per_cycle=stall, cycles=(2.0, 1.0))), seen)
        for stall in (0.0, 0.4e-9)
    )
    need_hz = needed_hz(BIG_HZ[0], 1.0 / 1.9, 0.4e-9)
    assert BIG_HZ[linear] < BIG_HZ[aware - 1] < need_hz <= BIG_HZ[aware]


def test_what_cannot_be_served_gets_all_there_is() -> None:
    """Who stands still, and who asks for more than the cluster can."""
    still = observation(reading(0, cores=(0,), rate_ips=0.0))
    hopeless = observation(reading(0, cores=(0,), rate_ips=1e9, target_ips=1e12))
    for seen in (still, hopeless):
        assert (len(LITTLE_HZ) - 1, 0) == settled(scaling(), seen)


def test_a_board_without_applications_rests() -> None:
    """At its lowest points."""
    assert (0, 0) == settled(scaling(), observation(opp_index=(4, 4)))


def test_the_round_after_a_change_of_placement_is_sat_out() -> None:
    """Its window mixes two speeds; each such change counts anew."""
    loop = scaling()
    slow = reading(0, cores=(0,), rate_ips=0.5e9)
    moved = reading(0, cores=(1,), rate_ips=0.5e9)
    assert (2, 3) == loop.scale(observation(slow, opp_index=(2, 3)))
    assert (2, 3) != loop.scale(observation(slow, opp_index=(2, 3)))
    assert (2, 3) == loop.scale(observation(moved, opp_index=(2, 3)))
    assert (2, 3) == loop.scale(observation(slow, opp_index=(2, 3)))
    assert (2, 3) != loop.scale(observation(slow, opp_index=(2, 3)))


def test_what_is_seen_beside_changes_nothing_for_the_rounds_after() -> None:
    """Somebody asks for other applications than the estimate has heard of."""
    estimator = SpeedEstimator(HIKEY, NO_STALLS)
    loop = StallAwareScaling(HIKEY, estimator)
    one = reading(0, cores=(0,), rate_ips=0.5e9)
    both = (one, reading(1, cores=(4,), rate_ips=0.5e9))

    def scale(number: int) -> tuple[int, ...]:
        seen = observation(*both, time_s=ROUND_S * number, opp_index=(2, 3))
        estimator.update(seen)
        return loop.scale(seen)

    before = [scale(number) for number in range(4)][-1]
    loop.scale(observation(one, time_s=ROUND_S * 3, opp_index=(2, 3)))
    after = [scale(number) for number in range(4, 4 + SETTLE_ROUNDS + 1)]
    assert before == after[-1] != (2, 3)


def drive(board: SimulatedBoard, rounds: int) -> list[tuple[int, ...]]:
    """The operating points that the loop chooses on a simulated board."""
    estimator = SpeedEstimator(board.board, NO_STALLS)
    loop = StallAwareScaling(board.board, estimator)
    chosen = []
    for _ in range(rounds):
        board.advance_to(board.now_s + ROUND_S)
        seen = board.observe()
        estimator.update(seen)
        chosen.append(loop.scale(seen))
        board.apply(Decision((), chosen[-1]))
    return chosen


@pytest.mark.parametrize(
    ("profile", "core"), [(COMPUTE, 0), (COMPUTE, 4), (MEMORY, 0), (MEMORY, 4)]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_steady_program_ends_up_at_the_lowest_point_that_serves_it(
    profile: ApplicationProfile, core: int, share: float
) -> None:
    """Compute-bound at once, memory-bound within a few rounds, and it stays there."""
    cluster = HIKEY.clusters[HIKEY.cluster_of_core[core]]
    target_ips = share * profile.ips(cluster, cluster.freqs_hz[-1])
    chosen = drive(simulated(job(profile=profile, target_ips=target_ips, cores=(core,))), 12)
    serving = [
        opp for opp, hz in enumerate(cluster.freqs_hz) if profile.ips(cluster, hz) >= target_ips
    ]
    settled_at = {opps[HIKEY.cluster_of_core[core]] for opps in chosen[6:]}
    assert {serving[0]} == settled_at
    if profile is COMPUTE:
        assert serving[0] == chosen[SETTLE_ROUNDS][HIKEY.cluster_of_core[core]]


def missed_rounds(board: SimulatedBoard, *, stall_aware: bool) -> int:
    """At how many of 400 rounds a target was missed, with this loop or TOP-IL's."""
    estimator = SpeedEstimator(board.board, NO_STALLS)
    loop = StallAwareScaling(board.board, estimator) if stall_aware else QosScaling(board.board)
    missed = 0
    for _ in range(400):
        board.advance_to(board.now_s + ROUND_S)
        seen = board.observe()
        estimator.update(seen)
        board.apply(Decision((), loop.scale(seen)))
        missed += any(app.rate_ips < 0.99 * app.target_ips for app in seen.applications)
    return missed


def test_phases_are_followed_faster_than_point_by_point() -> None:
    """A program that slows down every other second misses its target for fewer rounds."""

    def jobs() -> Job:
        return job(profile=PHASED, target_ips=2.8e9, cores=(4,))

    aware = missed_rounds(simulated(jobs()), stall_aware=True)
    linear = missed_rounds(simulated(jobs()), stall_aware=False)
    assert 0 < 2 * aware < linear


def test_a_move_to_slower_cores_is_made_good_after_one_round() -> None:
    """Sat out once, then at the right point."""
    board = simulated(job(profile=COMPUTE, target_ips=1.2e9, cores=(4,)))
    drive(board, 4)
    board.apply(Decision((Migration(0, (0,)),)))
    chosen = drive(board, 3)
    right = next(opp for opp, hz in enumerate(LITTLE_HZ) if hz >= 1.2e9)
    assert [0, right, right] == [little for little, _ in chosen]
