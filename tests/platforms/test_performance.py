"""Tests of speed: cores are shared, memory is too, and clocks help only who computes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.application import ApplicationProfile
from platforms.simulated.performance import (
    HIGHEST_LOAD,
    Placed,
    Speeds,
    ThreadDemand,
    fair_shares,
    memory_slowdown,
    speeds,
)
from tests.platforms.programs import BIG, COMPUTE, HIKEY, LITTLE, MEMORY

BANDWIDTH = 10e9
DEMANDS = st.builds(
    ThreadDemand,
    core=st.integers(0, 3),
    share=st.just(1.0),
    compute_s=st.floats(1e-11, 1e-8),
    stall_s=st.one_of(st.just(0.0), st.floats(1e-13, 1e-8)),
    bytes_per_instruction=st.one_of(st.just(0.0), st.floats(1e-3, 100.0)),
)
PROGRAMS = st.lists(DEMANDS, max_size=8)


def _sharing(threads: list[ThreadDemand]) -> list[ThreadDemand]:
    """The threads with equal shares of their cores."""
    crowd = Counter(t.core for t in threads)
    return [replace(t, share=1.0 / crowd[t.core]) for t in threads]


def _slowdown(threads: list[ThreadDemand], bandwidth: float = BANDWIDTH) -> list[float]:
    return memory_slowdown(_sharing(threads), 5, bandwidth)


def _ips(threads: list[ThreadDemand]) -> list[float]:
    slowdown = _slowdown(threads)
    shares = _sharing(threads)
    return [t.share / (t.compute_s + t.stall_s * slowdown[t.core]) for t in shares]


def _placed(profile: ApplicationProfile, *cores: int) -> Placed:
    return Placed(profile, 1.0, 1.0, cores)


def _speeds(*placed: Placed, opps: tuple[int, int] = (3, 5)) -> Speeds:
    return speeds(HIKEY, opps, placed)


@given(PROGRAMS)
def test_the_slowdown_solves_its_own_equations(threads: list[ThreadDemand]) -> None:
    """The traffic at these slow-downs makes the queue that makes these slow-downs."""
    slowdown = _slowdown(threads)
    own = [0.0] * 5
    for t in _sharing(threads):
        own[t.core] += t.share / (t.compute_s + t.stall_s) * t.bytes_per_instruction / BANDWIDTH
    traffic = sum(
        ips * t.bytes_per_instruction for ips, t in zip(_ips(threads), threads, strict=True)
    )
    load = min(traffic / BANDWIDTH, HIGHEST_LOAD)
    wanted = [max(1.0, (1.0 - min(alone, HIGHEST_LOAD)) / (1.0 - load)) for alone in own]
    assert slowdown == pytest.approx(wanted, rel=1e-6)


@given(PROGRAMS)
def test_with_one_core_at_work_all_run_exactly_at_their_share_of_their_profiles_speed(
    threads: list[ThreadDemand],
) -> None:
    """A profile was taken alone: its own traffic is in it, and must not be counted twice."""
    together = [replace(t, core=2) for t in threads]
    assert 1.0 == _slowdown(together)[2]
    for ips, t in zip(_ips(together), _sharing(together), strict=True):
        assert ips == t.share / (t.compute_s + t.stall_s)


@given(PROGRAMS, DEMANDS)
def test_nobody_runs_faster_for_another_core_that_wakes(
    threads: list[ThreadDemand], another: ThreadDemand
) -> None:
    """Nobody's coming relieves the memory."""
    before = _ips(threads)
    after = _ips([*threads, replace(another, core=4)])
    for early, late in zip(before, after[:-1], strict=True):
        assert late <= early * (1 + 1e-9)


@given(PROGRAMS)
def test_the_slowdown_vanishes_with_the_traffic(threads: list[ThreadDemand]) -> None:
    """On a memory that nobody feels there is no contention."""
    assert [1.0] * 5 == pytest.approx(_slowdown(threads, bandwidth=1e24), abs=1e-6)
    assert [1.0] * 5 == _slowdown([replace(t, bytes_per_instruction=0.0) for t in threads])


@given(st.lists(DEMANDS, min_size=2, max_size=8))
def test_the_queue_shrinks_with_bandwidth(threads: list[ThreadDemand]) -> None:
    """A wider memory never slows down who makes no traffic himself."""
    watching = 4
    narrow, wide = (_slowdown(threads, bandwidth)[watching] for bandwidth in (5e9, 20e9))
    assert 1.0 <= wide <= narrow * (1 + 1e-9)


def test_traffic_that_never_stalls_slows_the_others_all_the_same() -> None:
    """A program with a perfect prefetcher still fills the memory's queue."""
    waits = ThreadDemand(0, 1.0, 1e-9, 1e-9, 0.1)
    streams = ThreadDemand(1, 1.0, 1e-9, 0.0, 5.0)
    slowdown = _slowdown([waits, streams])
    assert slowdown[0] > 1.5
    assert 1.0 < slowdown[1] < 1.05  # its own traffic does not slow it down


@given(st.integers(1, 8))
def test_memory_bound_programs_slow_each_other_down_and_compute_bound_ones_do_not(
    count: int,
) -> None:
    """Each on a core of its own: the more there are, the slower those who wait for memory."""
    big = HIKEY.clusters[BIG]
    alone = {p.name: p.ips(big, big.freqs_hz[5]) for p in (COMPUTE, MEMORY)}
    for profile in (COMPUTE, MEMORY):
        crowd = [_placed(profile, 7 - number) for number in range(count)]
        rate_ips = _speeds(*crowd).rate_ips[0]
        if profile is COMPUTE or count == 1:
            assert rate_ips == pytest.approx(alone[profile.name], rel=1e-12)
        else:
            assert rate_ips < alone[profile.name]


@given(st.integers(1, 6))
def test_who_shares_a_core_gets_an_equal_part_of_it(count: int) -> None:
    """And the core works no more for it."""
    alone = _speeds(_placed(COMPUTE, 4))
    shared = _speeds(*(_placed(COMPUTE, 4) for _ in range(count)))
    assert shared.rate_ips == pytest.approx([alone.rate_ips[0] / count] * count)
    assert shared.core_activity[4] == pytest.approx(alone.core_activity[4])
    assert count == shared.core_threads[4]


def test_a_compute_bound_program_runs_at_its_clock_over_cpi() -> None:
    """The model's formula without a stall."""
    for cluster, core, cpi in ((LITTLE, 0, 1.0), (BIG, 4, 0.5)):
        for opp, freq_hz in enumerate(HIKEY.clusters[cluster].freqs_hz):
            index = [0, 0]
            index[cluster] = opp
            result = _speeds(_placed(COMPUTE, core), opps=(index[0], index[1]))
            assert result.rate_ips == pytest.approx([freq_hz / cpi])


def test_a_phase_scales_cpi_and_stall() -> None:
    """Twice both is half the speed."""
    plain = _speeds(Placed(MEMORY, 1.0, 1.0, (4,))).rate_ips[0]
    assert _speeds(Placed(MEMORY, 2.0, 2.0, (4,))).rate_ips == pytest.approx([plain / 2])


def test_a_phase_scales_activity() -> None:
    """And nothing else with it."""
    plain, livelier = (_speeds(Placed(MEMORY, 1.0, 1.0, (4,), scale)) for scale in (1.0, 1.2))
    assert plain.rate_ips == livelier.rate_ips
    assert livelier.core_activity[4] == pytest.approx(1.2 * (plain.core_activity[4] or 0.0))


def test_a_stalled_core_is_less_active() -> None:
    """It waits with its pipelines empty; the cluster's floor is what it still switches."""
    computes, waits = _speeds(_placed(COMPUTE, 4)), _speeds(_placed(MEMORY, 4))
    assert computes.core_activity[4] == pytest.approx(COMPUTE.activity)
    floor = HIKEY.clusters[BIG].activity_floor * MEMORY.activity
    assert floor < (waits.core_activity[4] or 0.0) < MEMORY.activity


def test_cores_without_a_thread_sleep() -> None:
    """Asleep is not the same as active to 0: sleeping cores leak nothing."""
    result = _speeds(_placed(COMPUTE, 2))
    assert [None] * 2 == result.core_activity[:2]
    assert [None] * 5 == result.core_activity[3:]


SHARED = st.lists(
    st.tuples(st.sets(st.integers(4, 6), min_size=1), st.floats(0.01, 4.0), st.floats(0.05, 1.0)),
    min_size=1,
    max_size=5,
)


@given(SHARED)
def test_cores_are_shared_by_weight_up_to_the_limits(
    asked: list[tuple[set[int], float, float]],
) -> None:
    """Nobody gets more than his limit; who gets less has as much per weight as the others."""
    placed = [
        Placed(COMPUTE, 1.0, 1.0, tuple(sorted(cores)), 1.0, weight, limit)
        for cores, weight, limit in asked
    ]
    shares, busy = fair_shares(placed, 8)
    threads = [(core, app) for app in placed for core in app.cores]
    for on_core in range(8):
        here = [
            (share, app)
            for share, (core, app) in zip(shares, threads, strict=True)
            if core == on_core
        ]
        assert busy[on_core] == pytest.approx(sum(share for share, _ in here))
        assert busy[on_core] <= 1.0
        free = [(share, app) for share, app in here if share < app.limit * (1 - 1e-9)]
        assert all(share <= app.limit * (1 + 1e-12) for share, app in here)
        if free:  # somebody wants more: the core is full, and the others are at their limit
            assert busy[on_core] == pytest.approx(1.0)
            level = max(share / app.weight for share, app in free)
            assert [level] * len(free) == pytest.approx([s / a.weight for s, a in free])
            assert all(share <= level * app.weight * (1 + 1e-9) for share, app in here)


@given(st.integers(1, 5))
def test_equal_weights_share_exactly_as_no_weights_do(count: int) -> None:
    """To the last digit: a run must not change because somebody could be nice."""
    crowd = [Placed(COMPUTE, 1.0, 1.0, (4, 5)) for _ in range(count)]
    shares, busy = fair_shares(crowd, 8)
    assert [1.0 / count] * (2 * count) == pytest.approx(shares, rel=1e-15)
    assert _speeds(*crowd).core_busy == pytest.approx(busy, rel=1e-15)


def test_an_application_of_several_threads_runs_at_the_sum_of_their_speeds() -> None:
    """Its rate is over all its threads, as its target is."""
    one = _speeds(_placed(COMPUTE, 4)).rate_ips[0]
    assert _speeds(_placed(COMPUTE, 4, 5, 6)).rate_ips == pytest.approx([3 * one])
