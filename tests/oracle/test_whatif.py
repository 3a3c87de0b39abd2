"""Tests of the least operating points of a placement, and of what the models say of it."""

import itertools
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.whatif import Placement, Wanted, WhatIf
from platforms.application import Job
from platforms.errors import InvalidInput
from platforms.platform import Decision
from platforms.simulated.simulated_board import SimulatedBoard
from tests.oracle.small_boards import COOLING, board, wanted


def drawn(seed: int, *, most: float) -> tuple[WhatIf, list[Wanted], Placement]:
    """A small board with applications, some of several threads, placed where they are."""
    rng = np.random.default_rng(seed)
    on = board(rng, points=4)
    apps = wanted(on, rng, count=int(rng.integers(1, 5)), most=most, threads=2)
    return WhatIf(on, COOLING), apps, tuple(app.cores for app in apps)


def late(
    models: WhatIf, apps: Sequence[Wanted], placement: Placement, opps: Sequence[int]
) -> set[int]:
    """The applications that miss their target."""
    rates = models.rates_ips(apps, placement, opps)
    return {app.id for app, rate in zip(apps, rates, strict=True) if rate < app.target_ips}


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), most=st.sampled_from([0.4, 0.9]))
def test_the_least_points_meet_all_that_the_highest_meet(seed: int, most: float) -> None:
    """Saving must cost nobody his target, not even through the memory that all share."""
    models, apps, placement = drawn(seed, most=most)
    opps = models.least_opps(apps, placement)
    assert late(models, apps, placement, opps) <= late(
        models, apps, placement, models.board.highest_opps
    )


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), most=st.sampled_from([0.4, 0.9]))
def test_no_cluster_can_be_lowered_by_one_without_a_miss(seed: int, most: float) -> None:
    """On that cluster itself."""
    models, apps, placement = drawn(seed, most=most)
    opps = models.least_opps(apps, placement)
    for cluster, opp in enumerate(opps):
        if opp > 0:
            lower = (*opps[:cluster], opp - 1, *opps[cluster + 1 :])
            own = {a.id for a in apps if models.board.cluster_of_core[a.cores[0]] == cluster}
            assert own & late(models, apps, placement, lower)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_other_points_that_meet_all_targets_are_lower_anywhere(seed: int) -> None:
    """The least points are the one smallest element, so also the coolest."""
    models, apps, placement = drawn(seed, most=0.5)
    opps = models.least_opps(apps, placement)
    for other in itertools.product(*(range(len(c.opps)) for c in models.board.clusters)):
        if not late(models, apps, placement, other):
            assert all(mine <= theirs for mine, theirs in zip(opps, other, strict=True))


def test_an_empty_cluster_stays_at_its_lowest_point() -> None:
    """And the shortfall of what cannot be met is the share that is missing."""
    models, apps, _ = drawn(1, most=0.9)
    greedy = msgspec.structs.replace(apps[0], threads=1)
    (fastest_ips,) = models.rates_ips([greedy], ((2,),), models.board.highest_opps)
    greedy = msgspec.structs.replace(greedy, target_ips=4.0 * fastest_ips)
    opps = models.least_opps([greedy], ((2,),))
    assert (0, 3) == opps
    outcome = models.evaluate([greedy], ((2,),), opps)
    assert pytest.approx(0.75) == outcome.shortfall


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_is_told_is_what_the_simulated_board_does(seed: int) -> None:
    """Rates and steady temperature: otherwise the oracle would be no yardstick."""
    models, drawn_apps, placement = drawn(seed, most=0.6)
    apps = [msgspec.structs.replace(app, phase=0) for app in drawn_apps]
    opps = models.least_opps(apps, placement)
    jobs = [
        Job(
            id=app.id,
            profile=app.profile,
            target_ips=app.target_ips,
            threads=app.threads,
            cores=app.cores,
        )
        for app in apps
    ]
    simulated = SimulatedBoard(
        models.board, cooling=COOLING, rng=np.random.default_rng(0), jobs=jobs
    )
    simulated.advance_to(0.01)
    simulated.apply(Decision((), opps))
    simulated.advance_to(0.02)
    simulated.settle()
    rates = [app.rate_ips for app in simulated.running]
    assert pytest.approx(models.rates_ips(apps, placement, opps)) == rates
    outcome = models.evaluate(apps, placement, opps)
    cores_c = simulated.temperatures_c[models.power.core_nodes]
    assert pytest.approx(outcome.objective("peak")) == cores_c.max()
    assert pytest.approx(outcome.objective("mean")) == cores_c.mean()
    assert pytest.approx(outcome.objective("sensor")) == simulated.sensor_temp_c
    assert pytest.approx(outcome.objective("power")) == simulated.power_w.sum()


def test_an_objective_that_nobody_knows_is_refused() -> None:
    """With those that there are."""
    models, _, _ = drawn(0, most=0.5)
    outcome = models.evaluate((), (), models.board.lowest_opps)
    with pytest.raises(InvalidInput) as caught:
        outcome.objective("noise")
    assert "objective must be one of peak, sensor, mean, power (got 'noise')" == str(caught.value)
