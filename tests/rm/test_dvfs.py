"""Tests of DVFS by QoS: as fast as the most demanding application needs, and no faster."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.application import ApplicationProfile, CoreProfile, Job
from platforms.platform import Decision, Migration
from platforms.simulated.simulated_board import SimulatedBoard
from rm.dvfs import SETTLE_ROUNDS, QosScaling, demanded_hz, demands_hz, opp_at_least
from tests.platforms.programs import COMPUTE
from tests.rm.readings import HIKEY, observation, reading

LITTLE_HZ, BIG_HZ = (cluster.freqs_hz for cluster in HIKEY.clusters)


def _settled(scaling: QosScaling, seen_placement: object) -> QosScaling:
    """The loop after it has sat out the rounds that follow a change of placement."""
    for _ in range(SETTLE_ROUNDS):
        scaling.scale(seen_placement)  # type: ignore[arg-type]
    return scaling


# --- demands ------------------------------------------------------------------------------------


def test_demand_scales_linearly_from_what_is_measured() -> None:
    """TOP-IL's rule: half the rate that is needed takes twice the frequency."""
    assert 2e9 == demanded_hz(reading(rate_ips=0.5e9, target_ips=1e9), 1e9)
    assert 0.5e9 == demanded_hz(reading(rate_ips=2e9, target_ips=1e9), 1e9)


def test_who_stands_still_demands_all_there_is() -> None:
    """Nothing can be scaled from nothing."""
    assert float("inf") == demanded_hz(reading(rate_ips=0.0), 1e9)
    assert len(BIG_HZ) - 1 == opp_at_least(BIG_HZ, float("inf"))


def test_a_cluster_takes_the_largest_demand_of_its_own_applications() -> None:
    """They share one clock; the other cluster's do not count."""
    seen = observation(
        reading(0, cores=(4,), rate_ips=1e9, target_ips=1.1e9),
        reading(1, cores=(5,), rate_ips=1e9, target_ips=1.5e9),
        reading(2, cores=(0,), rate_ips=1e9, target_ips=3.0e9),
        opp_index=(1, 3),
    )
    wanted = [LITTLE_HZ[1] * 3.0, BIG_HZ[3] * 1.5]
    assert wanted == pytest.approx(demands_hz(HIKEY, seen, seen.applications))
    assert [0.0, 0.0] == demands_hz(HIKEY, seen, ())


@given(st.integers(0, len(BIG_HZ) - 1))
def test_a_demand_that_is_met_to_a_part_in_a_million_is_met(opp: int) -> None:
    """Else rounding in a counter would cost an operating point."""
    assert opp == opp_at_least(BIG_HZ, BIG_HZ[opp] * (1 + 5e-7))
    assert min(opp + 1, len(BIG_HZ) - 1) == opp_at_least(BIG_HZ, BIG_HZ[opp] * (1 + 2e-6))


@given(st.floats(0.0, 5e9))
def test_the_lowest_point_that_suffices_is_taken(demand_hz: float) -> None:
    """No lower one reaches the demand."""
    opp = opp_at_least(BIG_HZ, demand_hz)
    assert opp == len(BIG_HZ) - 1 or BIG_HZ[opp] >= demand_hz * (1 - 1e-6)
    assert opp == 0 or BIG_HZ[opp - 1] < demand_hz


# --- the loop -----------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(0, 6), st.integers(0, 8)),
    st.lists(st.tuples(st.integers(0, 7), st.floats(0.0, 1e10)), max_size=6),
)
def test_a_round_moves_every_cluster_one_point_towards_its_demand(
    opps: tuple[int, int], apps: list[tuple[int, float]]
) -> None:
    """Never further, and never away from it."""
    readings = [
        reading(number, cores=(core,), rate_ips=rate_ips)
        for number, (core, rate_ips) in enumerate(apps)
    ]
    seen = observation(*readings, opp_index=opps)
    after = _settled(QosScaling(HIKEY), seen).scale(seen)
    wanted = [
        opp_at_least(cluster.freqs_hz, demand)
        for cluster, demand in zip(HIKEY.clusters, demands_hz(HIKEY, seen, readings), strict=True)
    ]
    for before, now, goal in zip(opps, after, wanted, strict=True):
        assert now - before == (goal > before) - (goal < before)


def test_a_cluster_without_an_application_goes_to_its_lowest_point() -> None:
    """Step by step, as everything does."""
    seen = observation(reading(cores=(0,)), opp_index=(0, 3))
    scaling = _settled(QosScaling(HIKEY), seen)
    assert (0, 2) == scaling.scale(seen)
    empty = observation(opp_index=(1, 1))
    assert (0, 0) == _settled(QosScaling(HIKEY), empty).scale(empty)


@pytest.mark.parametrize(
    "after",
    [
        observation(reading(0, cores=(5,), rate_ips=1e8), opp_index=(3, 3)),
        observation(
            reading(0, rate_ips=1e8), reading(1, cores=(5,), rate_ips=1e8), opp_index=(3, 3)
        ),
        observation(opp_index=(3, 3)),
    ],
    ids=["migration", "arrival", "end"],
)
def test_rounds_after_a_change_of_placement_are_sat_out(after: object) -> None:
    """The first rates after it are those of cold caches, and of half a window."""
    before = observation(reading(0, rate_ips=1e8), opp_index=(3, 3))
    scaling = _settled(QosScaling(HIKEY), before)
    assert (2, 4) == scaling.scale(before)
    for _ in range(SETTLE_ROUNDS):
        assert (3, 3) == scaling.scale(after)  # type: ignore[arg-type]
    assert (3, 3) != scaling.scale(after)  # type: ignore[arg-type]


# --- on the simulated board ---------------------------------------------------------------------

PROFILES = st.builds(
    lambda cpi, stall_s, traffic: ApplicationProfile(
        name="drawn",
        suite="test",
        core_profiles={
            "cortex-a53": CoreProfile(cpi=1.6 * cpi, stall_s=stall_s),
            "cortex-a73": CoreProfile(cpi=cpi, stall_s=stall_s),
        },
        activity=0.7,
        l2d_per_instruction=0.02,
        bytes_per_instruction=traffic,
        sources={},
    ),
    cpi=st.floats(0.4, 2.0),
    stall_s=st.one_of(st.just(0.0), st.floats(1e-11, 2e-9)),
    traffic=st.floats(0.0, 1.0),
)


def _governed(
    profile: ApplicationProfile, core: int, share: float, start: tuple[int, int], rounds: int
) -> tuple[list[int], float]:
    """Operating points of the application's cluster round by round, and its last rate / target."""
    cluster = HIKEY.cluster_of_core[core]
    described = HIKEY.clusters[cluster]
    target_ips = share * profile.ips(described, described.freqs_hz[-1])
    board = SimulatedBoard(
        HIKEY,
        cooling=HIKEY.cooling_named("fan"),
        rng=np.random.default_rng(0),
        jobs=[Job(id=0, profile=profile, target_ips=target_ips, cores=(core,))],
    )
    board.apply(Decision((), start))
    scaling = QosScaling(HIKEY)
    trail = []
    for number in range(1, rounds + 1):
        board.advance_to(0.05 * number)
        seen = board.observe()
        trail.append(seen.opp_index[cluster])
        board.apply(Decision((), scaling.scale(seen)))
    return trail, seen.applications[0].rate_ips / target_ips


ROUNDS = SETTLE_ROUNDS + len(BIG_HZ) + 1
"""The rounds that sit out, a step for every point of a cluster, and a look at the last."""


@given(
    PROFILES,
    st.integers(0, 7),
    st.floats(0.05, 0.98),
    st.tuples(st.integers(0, 6), st.integers(0, 8)),
)
def test_a_reachable_target_is_met_within_as_many_rounds_as_there_are_points(
    profile: ApplicationProfile, core: int, share: float, start: tuple[int, int]
) -> None:
    """Wherever the search starts and however memory-bound the program is."""
    described = HIKEY.clusters[HIKEY.cluster_of_core[core]]
    alone = _governed(profile, core, 1e6, start, ROUNDS)[1] * 1e6  # contention with itself
    _, met = _governed(profile, core, share * min(1.0, alone), start, ROUNDS)
    assert met >= 1.0 - 1e-5
    assert len(described.opps) < ROUNDS


@given(
    PROFILES,
    st.integers(0, 7),
    st.floats(0.05, 1.5),
    st.tuples(st.integers(0, 6), st.integers(0, 8)),
)
def test_the_search_goes_one_way_and_stays(
    profile: ApplicationProfile, core: int, share: float, start: tuple[int, int]
) -> None:
    """A steady program has a steady frequency: no oscillation, reachable target or not."""
    trail, _ = _governed(profile, core, share, start, 2 * ROUNDS)
    steps = [after - before for before, after in pairwise(trail)]
    assert set(steps) <= {0, 1} or set(steps) <= {0, -1}
    assert [0] * ROUNDS == steps[-ROUNDS:]


@given(st.floats(0.4, 2.0), st.floats(0.05, 1.0), st.tuples(st.integers(0, 6), st.integers(0, 8)))
def test_a_compute_bound_program_gets_the_lowest_point_that_meets_its_target(
    cpi: float, share: float, start: tuple[int, int]
) -> None:
    """Linear scaling is exact for it, from above and from below."""
    profile = ApplicationProfile(
        name="compute",
        suite="test",
        core_profiles={
            "cortex-a53": CoreProfile(cpi=cpi, stall_s=0.0),
            "cortex-a73": CoreProfile(cpi=cpi, stall_s=0.0),
        },
        activity=0.7,
        l2d_per_instruction=0.0,
        bytes_per_instruction=0.0,
        sources={},
    )
    trail, _ = _governed(profile, 4, share, start, ROUNDS)
    assert opp_at_least(BIG_HZ, share * BIG_HZ[-1]) == trail[-1]


def test_after_a_migration_the_other_cluster_takes_over() -> None:
    """The old cluster falls to its lowest point, the new one climbs until the target is met."""
    job = Job(id=0, profile=COMPUTE, target_ips=1.3e9, cores=(4,))
    board = SimulatedBoard(
        HIKEY, cooling=HIKEY.cooling_named("fan"), rng=np.random.default_rng(0), jobs=[job]
    )
    scaling = QosScaling(HIKEY)
    for number in range(1, 41):
        board.advance_to(0.05 * number)
        seen = board.observe()
        moves = (Migration(0, (0,)),) if number == 20 else ()
        board.apply(Decision(moves, scaling.scale(seen)))
    assert (opp_at_least(LITTLE_HZ, 1.3e9), 0) == board.observe().opp_index
