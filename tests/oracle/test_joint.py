"""Tests of the joint search against trying every mapping at every operating point.

The search is a heuristic without proof. What these tests hold it to was measured on many more
instances than they try: with one thread per application it never missed targets that can be met.
"""

import functools
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from oracle.joint import JointSearch
from oracle.whatif import Outcome, Wanted, WhatIf
from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.decision_check import placement_problems
from rm.evaluation.workload import WorkloadParameters, draw_workload
from tests.oracle.small_boards import COOLING, best_outcome, board, wanted

Instance = tuple[WhatIf, list[Wanted]]


def instance(
    seed: int, *, sizes: tuple[int, ...], apps: int | None = None, most: float, threads: int = 1
) -> Instance:
    """A small board and up to three applications, or as many as asked for."""
    rng = np.random.default_rng(seed)
    on = board(rng, sizes=sizes)
    count = apps or int(rng.integers(1, 4))
    return WhatIf(on, COOLING), wanted(on, rng, count=count, most=most, threads=threads)


@functools.cache
def compared(
    seeds: int,
    *,
    sizes: tuple[int, ...] = (2, 2),
    apps: int | None = None,
    most: float = 0.9,
    threads: int = 1,
) -> list[tuple[Outcome, Outcome]]:
    """What the search found, and the optimum."""
    pairs = []
    for seed in range(seeds):
        models, asked = instance(seed, sizes=sizes, apps=apps, most=most, threads=threads)
        pairs.append((JointSearch(models).solve(asked), best_outcome(models, asked)))
    return pairs


def is_met(outcome: Outcome) -> bool:
    """Whether all targets are met."""
    return outcome.shortfall < 1e-6


FEW = functools.partial(compared, 60)
SHARED = functools.partial(compared, 60, sizes=(1, 1), apps=4, most=0.3)
CROWDED = functools.partial(compared, 12, sizes=(2, 1), apps=5, most=0.35)
TOO_MUCH = functools.partial(compared, 30, sizes=(1, 1), apps=3, most=0.9)
THREADS = functools.partial(compared, 100, sizes=(2, 2), most=0.7, threads=3)


@pytest.mark.parametrize("pairs", [FEW, SHARED, CROWDED], ids=["few", "shared", "crowded"])
def test_targets_that_can_be_met_are_met(
    pairs: Callable[[], list[tuple[Outcome, Outcome]]],
) -> None:
    """A miss of the oracle counts as a target that nobody can meet."""
    feasible = [(found, best) for found, best in pairs() if is_met(best)]
    assert len(feasible) > len(pairs()) / 2
    assert all(is_met(found) for found, _ in feasible)


@pytest.mark.parametrize("pairs", [FEW, SHARED, CROWDED], ids=["few", "shared", "crowded"])
def test_the_peak_is_near_the_optimum(
    pairs: Callable[[], list[tuple[Outcome, Outcome]]],
) -> None:
    """Within 0.7 K always and 0.35 K mostly; up to 0.1 K per application is paid for staying."""
    gaps_k = np.array([found.peak_c - best.peak_c for found, best in pairs() if is_met(best)])
    assert gaps_k.min() > -1e-6
    assert gaps_k.max() < 0.7
    assert np.quantile(gaps_k, 0.9) < 0.35


def test_where_not_all_targets_can_be_met_the_shortfall_is_near_the_least() -> None:
    """The next best to meeting all of them."""
    short = [(found, best) for found, best in TOO_MUCH() if not is_met(best)]
    assert len(short) > 5
    assert all(found.shortfall < best.shortfall + 0.02 for found, best in short)


def test_with_several_threads_most_targets_that_can_be_met_are_met() -> None:
    """The fast estimate knows less of how threads spread: about one in a hundred is missed."""
    feasible = [(found, best) for found, best in THREADS() if is_met(best)]
    missed = [found for found, _ in feasible if not is_met(found)]
    assert len(missed) <= 0.03 * len(feasible)


@pytest.mark.parametrize("sizes", [(2, 2), (1, 3), (1, 1)])
def test_what_is_decided_can_be_carried_out(sizes: tuple[int, ...]) -> None:
    """One core for one thread, several of one cluster for several, points that exist."""
    for seed in range(20):
        threads = 1 if sizes == (1, 1) else 3
        models, asked = instance(seed, sizes=sizes, most=0.8, threads=threads)
        outcome = JointSearch(models).solve(asked)
        for app, cores in zip(asked, outcome.placement, strict=True):
            assert [] == list(placement_problems(models.board, app.threads, cores))
        assert outcome == models.evaluate(asked, outcome.placement, outcome.opp_index)


def test_an_idle_board_stays_at_its_lowest_points() -> None:
    """At the air's temperature."""
    models, _ = instance(0, sizes=(2, 2), most=0.5)
    assert Outcome((), (0, 0), 0.0, COOLING.ambient_c) == JointSearch(models).solve([])


def test_nobody_moves_for_nothing() -> None:
    """Asked again where all stand as it decided, it decides the same and moves nobody."""
    for seed in range(20):
        models, asked = instance(seed, sizes=(2, 2), most=0.6)
        search = JointSearch(models)
        found = search.solve(asked)
        settled = [
            msgspec.structs.replace(app, cores=cores)
            for app, cores in zip(asked, found.placement, strict=True)
        ]
        assert found.placement == search.solve(settled).placement


def test_a_move_is_not_worth_less_than_a_tenth_of_a_kelvin() -> None:
    """Two alike cores: whichever it is on, it stays, although one is a little cooler."""
    models, asked = instance(4, sizes=(2, 2), apps=1, most=0.3)
    best = JointSearch(models, stay_k=0.0).solve(asked)
    ((core,),) = best.placement
    cluster = models.board.clusters[models.board.cluster_of_core[core]]
    for other in cluster.cores:
        here = [msgspec.structs.replace(asked[0], cores=(other,))]
        assert ((other,),) == JointSearch(models, stay_k=1.0).solve(here).placement
        assert best.placement == JointSearch(models, stay_k=0.0).solve(here).placement


def test_a_crowded_reference_board_is_solved_in_bounded_time() -> None:
    """Beyond 4096 assignments some stay where they are; nobody is lost."""
    reference = load_board("hikey970")
    models = WhatIf(reference, reference.cooling_named("fan"))
    parameters = WorkloadParameters(arrivals=20, highest_target=0.2)
    rng = np.random.default_rng(0)
    jobs = draw_workload(reference, find_applications(["parsec"]), parameters, rng)
    asked = [Wanted(j.id, j.profile, 0, j.target_ips, 1, (j.id % 8,)) for j in jobs]
    outcome = JointSearch(models).solve(asked)
    assert 20 == len(outcome.placement)
    assert np.isfinite(outcome.peak_c)
