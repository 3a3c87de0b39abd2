"""Tests of speed: cores are shared, memory is too, and clocks help only who computes."""

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
    memory_slowdown,
    speeds,
)
from tests.platforms.programs import BIG, COMPUTE, HIKEY, LITTLE, MEMORY

BANDWIDTH = 10e9
DEMANDS = st.builds(
    ThreadDemand,
    share=st.sampled_from([1.0, 0.5, 1 / 3]),
    compute_s=st.floats(1e-11, 1e-8),
    stall_s=st.one_of(st.just(0.0), st.floats(1e-13, 1e-8)),
    bytes_per_instruction=st.one_of(st.just(0.0), st.floats(1e-3, 100.0)),
)


def _placed(profile: ApplicationProfile, *cores: int) -> Placed:
    return Placed(profile, 1.0, 1.0, cores)


def _speeds(*placed: Placed, opps: tuple[int, int] = (3, 5)) -> Speeds:
    return speeds(HIKEY, opps, placed)


def _wanted(threads: list[ThreadDemand], slowdown: float) -> float:
    """The slow-down that comes of the traffic that comes of a slow-down, written down anew."""
    traffic = sum(
        t.share / (t.compute_s + t.stall_s * slowdown) * t.bytes_per_instruction for t in threads
    )
    return 1.0 / (1.0 - min(traffic / BANDWIDTH, HIGHEST_LOAD))


@given(st.lists(DEMANDS, max_size=8))
def test_the_slowdown_is_at_least_1_and_solves_its_own_equation(
    threads: list[ThreadDemand],
) -> None:
    """The traffic at this slow-down is the traffic that causes it."""
    slowdown = memory_slowdown(threads, BANDWIDTH)
    assert slowdown >= 1.0
    assert slowdown == pytest.approx(_wanted(threads, slowdown), rel=1e-6)


@given(st.lists(DEMANDS, max_size=7), DEMANDS)
def test_the_slowdown_grows_with_every_thread(
    threads: list[ThreadDemand], another: ThreadDemand
) -> None:
    """Nobody's coming relieves the memory."""
    before = memory_slowdown(threads, BANDWIDTH)
    assert memory_slowdown([*threads, another], BANDWIDTH) >= before * (1 - 1e-8)


@given(st.lists(DEMANDS, min_size=1, max_size=8))
def test_the_slowdown_shrinks_with_bandwidth(threads: list[ThreadDemand]) -> None:
    """A wider memory never slows anybody down."""
    narrow, wide = memory_slowdown(threads, 5e9), memory_slowdown(threads, 20e9)
    assert wide <= narrow * (1 + 1e-8)


def test_traffic_that_never_stalls_slows_the_others_all_the_same() -> None:
    """A program with a perfect prefetcher still fills the memory's queue."""
    waits = ThreadDemand(1.0, 1e-9, 1e-9, 0.1)
    streams = ThreadDemand(1.0, 1e-9, 0.0, 5.0)
    assert memory_slowdown([waits, streams], BANDWIDTH) > 1.5 * memory_slowdown([waits], BANDWIDTH)


@given(st.integers(1, 8))
def test_memory_bound_programs_slow_each_other_down_and_compute_bound_ones_do_not(
    count: int,
) -> None:
    """Each on a core of its own: the more there are, the slower those who wait for memory."""
    alone = {p.name: _speeds(_placed(p, 7)).rate_ips[0] for p in (COMPUTE, MEMORY)}
    for profile in (COMPUTE, MEMORY):
        crowd = [_placed(profile, 7 - number) for number in range(count)]
        rate_ips = _speeds(*crowd).rate_ips[0]
        if profile is COMPUTE or count == 1:
            assert rate_ips == pytest.approx(alone[profile.name])
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
    """Twice both is half the speed, when there is no contention."""
    quiet = replace(MEMORY, bytes_per_instruction=0.0)
    plain = _speeds(Placed(quiet, 1.0, 1.0, (4,))).rate_ips[0]
    assert _speeds(Placed(quiet, 2.0, 2.0, (4,))).rate_ips == pytest.approx([plain / 2])


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


def test_an_application_of_several_threads_runs_at_the_sum_of_their_speeds() -> None:
    """Its rate is over all its threads, as its target is."""
    one = _speeds(_placed(COMPUTE, 4)).rate_ips[0]
    assert _speeds(_placed(COMPUTE, 4, 5, 6)).rate_ips == pytest.approx([3 * one])
