"""The joint search against trying every mapping at every operating point, and what it may claim."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from oracle.joint import JointSearch
from oracle.joint import search as joint_search
from oracle.joint.search import TOLERANCE_K
from oracle.whatif import Wanted, WhatIf
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from rm.evaluation.workload import WorkloadParameters, draw_workload
from tests.oracle.brute_force import Question, best
from tests.oracle.small_boards import COOLING, board, profile, wanted

BOARDS = {
    "two clusters": {"sizes": (2, 2), "points": 3},
    "three clusters": {"sizes": (2, 1, 1), "points": 2},
    "uneven, never asleep": {"sizes": (1, 2), "points": 3, "uneven": True},
    "uneven, with sleep states": {"sizes": (3, 1), "points": 2, "uneven": True, "sleeps": True},
    "two points at one voltage": {"sizes": (2, 2), "points": 3, "paired": True},
}

many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


class Drawn(NamedTuple):
    """A question and the search that has to answer it."""

    asked: Question
    search: JointSearch


def drawn(kind: str, seed: int, *, threads: int = 1) -> Drawn:
    """A random board of a kind with up to three applications and random options."""
    rng = np.random.default_rng(seed)
    bandwidth = float(rng.choice([1e9, 3e9, 1e11]))
    on = board(rng, bandwidth_bytes_per_s=bandwidth, **BOARDS[kind])  # type: ignore[arg-type]
    alike = (profile("twin", rng),) if rng.random() < 0.3 else ()
    apps = wanted(
        on,
        rng,
        count=int(rng.integers(1, 4)),
        most=float(rng.choice([0.3, 0.6, 1.2])),
        programs=alike,
        threads=threads,
    )
    clusters = range(len(on.clusters))
    allowed = [frozenset(x for x in clusters if rng.random() < 0.7) or frozenset({0}) for _ in apps]
    asked = Question(
        models=WhatIf(on, COOLING),
        apps=apps,
        objective=str(rng.choice(["peak", "peak", "sensor", "mean", "power"])),
        move_k=float(rng.choice([0.0, 0.0, 0.1, 1.0])),
        sharing=bool(rng.random() < 0.8),
        allowed_clusters=allowed if rng.random() < 0.3 else None,
    )
    search = JointSearch(
        models=asked.models,
        objective=asked.objective,
        move_k=asked.move_k,
        sharing=asked.sharing,
    )
    return Drawn(asked, search)


@pytest.mark.parametrize("kind", BOARDS)
@many
@given(seed=st.integers(0, 2**32 - 1))
def test_no_other_decision_is_better_than_what_is_called_optimal(kind: str, seed: int) -> None:
    """Ties, targets out of reach, memory that slows others down and every option included."""
    asked, search = drawn(kind, seed)
    try:
        shortfall, value = best(asked)
    except ValueError:  # no decision at all: more applications than cores, and none may share
        with pytest.raises(InvalidInput):
            search.solve(asked.apps, allowed_clusters=asked.allowed_clusters)
        return
    found = search.solve(asked.apps, allowed_clusters=asked.allowed_clusters)
    assert found.optimal
    assert shortfall == round(found.shortfall, 6)
    assert value - 1e-9 <= found.value <= value + TOLERANCE_K or found.value == value
    assert found.lower_bound <= value + 1e-9


@settings(many, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), budget=st.integers(1, 30))
def test_a_search_that_is_cut_short_keeps_a_valid_bound(seed: int, budget: int) -> None:
    """The gap that is left open is honest, and nothing is called optimal that is not."""
    asked, search = drawn("two clusters", seed)
    short = JointSearch(
        models=asked.models,
        objective=asked.objective,
        move_k=asked.move_k,
        sharing=asked.sharing,
        budget=budget,
    )
    try:
        shortfall, value = best(asked)
    except ValueError:
        return
    found = short.solve(asked.apps, allowed_clusters=asked.allowed_clusters)
    assert round(found.shortfall_bound, 6) <= shortfall
    assert (round(found.shortfall, 6), found.value) >= (shortfall, value - 1e-9)
    if shortfall == round(found.shortfall, 6):
        assert found.lower_bound <= value + 1e-9
    if found.optimal:
        full = search.solve(asked.apps, allowed_clusters=asked.allowed_clusters)
        assert found.value == pytest.approx(full.value, abs=2 * TOLERANCE_K)


@settings(many, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_search_that_begins_anew_from_a_walk_finds_the_same(seed: int) -> None:
    """As it does where the first guess at what has to be missed leads nowhere."""
    asked, search = drawn("two clusters", seed)
    try:
        shortfall, value = best(asked)
    except ValueError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_search, "PATIENCE", 2)
        found = search.solve(asked.apps, allowed_clusters=asked.allowed_clusters)
    assert found.optimal
    assert shortfall == round(found.shortfall, 6)
    assert found.value == value or value - 1e-9 <= found.value <= value + TOLERANCE_K
    assert found.lower_bound <= value + 1e-9


@pytest.mark.parametrize("highest", [0.4, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_search_without_time_finds_what_a_walk_finds_or_better(highest: float, seed: int) -> None:
    """Whether the targets can be met or not; a poor first guess is no answer."""
    on = load_board("rk3588")
    models = WhatIf(on, on.cooling_named("fan"))
    apps = eight(seed, on=on, highest=highest)
    short = JointSearch(models, budget=40).solve(apps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_search, "MOST", 0)
        walked = JointSearch(models).solve(apps)
    as_good = (round(walked.shortfall, 6), walked.value + TOLERANCE_K)
    assert (round(short.shortfall, 6), short.value) <= as_good
    full = JointSearch(models).solve(apps)
    assert full.optimal
    assert short.lower_bound <= full.value or short.shortfall > full.shortfall
    assert short.shortfall_bound <= full.shortfall + 1e-6


def test_some_searches_are_cut_short_indeed() -> None:
    """The test above would hold of a search that ignores its budget."""
    apps = eight()
    on = load_board("hikey970")
    found = JointSearch(models=WhatIf(on, on.cooling_named("fan")), budget=1).solve(apps)
    assert not found.optimal
    assert found.gap > TOLERANCE_K


def eight(seed: int = 0, *, on: Board | None = None, highest: float = 0.4) -> list[Wanted]:
    """Eight PARSEC applications as an evaluation draws them, for the HiKey 970 or another board."""
    jobs = draw_workload(
        on or load_board("hikey970"),
        find_applications(["parsec"]),
        WorkloadParameters(arrivals=8, highest_target=highest),
        np.random.default_rng(seed),
    )
    return [
        Wanted(job.id, job.profile, 0, job.target_ips, 1, (number,))
        for number, job in enumerate(jobs)
    ]


@pytest.mark.parametrize("cooling", ["fan", "passive"])
def test_eight_applications_on_the_hikey_970_are_solved_with_proof(cooling: str) -> None:
    """The reference board at the size that the speed is promised for."""
    on = load_board("hikey970")
    models = WhatIf(on, on.cooling_named(cooling))
    found = JointSearch(models=models).solve(eight())
    outcome = models.evaluate(eight(), found.placement, found.opp_index)
    assert found.optimal
    assert outcome.peak_c == pytest.approx(found.value, abs=1e-9)
    assert found.value - TOLERANCE_K <= found.lower_bound <= found.value
    assert not found.misses


def test_targets_out_of_reach_are_named_with_what_is_missing() -> None:
    """The least-violating decision says who misses, where, and by which share."""
    on = load_board("hikey970")
    apps = eight()
    far = Wanted(99, apps[0].profile, 0, 10.0 * apps[0].target_ips / 0.1, 1, (0,))
    models = WhatIf(on, on.cooling_named("fan"))
    found = JointSearch(models=models).solve([far])
    (miss,) = found.misses
    assert 99 == miss.application_id
    assert far.target_ips == miss.target_ips
    assert (miss.core,) == found.placement[0]
    assert miss.rate_ips < miss.target_ips
    assert miss.share == pytest.approx(1.0 - miss.rate_ips / miss.target_ips)
    assert miss.share == pytest.approx(found.shortfall)


def test_on_a_board_that_cannot_be_cooled_everybody_still_gets_a_core() -> None:
    """Where leakage runs away no seat is better than another, and none may be left out."""
    on = load_board("hikey970")
    barnes = find_applications(["splash2x.barnes"])[0]
    target_ips = 0.8 * barnes.ips(on.clusters[1], on.clusters[1].freqs_hz[-1])
    apps = [Wanted(number, barnes, 0, target_ips, 1, (number,)) for number in range(8)]
    hot = replace(on.cooling_named("fan"), conductance_w_per_k=0.04)
    models = WhatIf(on, hot)
    found = JointSearch(models=models).solve(apps)
    alone = models.evaluate(apps, tuple((core,) for core in range(8)), on.highest_opps)
    assert all(core in range(8) for cores in found.placement for core in cores)
    assert found.shortfall <= alone.shortfall + 1e-6
