"""What the joint search answers in special situations, and what it refuses."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from oracle.joint import JointSearch, Solution
from oracle.whatif import Wanted, WhatIf
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.decision_check import placement_problems
from platforms.errors import InvalidInput
from tests.oracle.small_boards import COOLING, board, profile, wanted

REFERENCE = load_board("hikey970")
PROGRAMS = find_applications(["parsec"])


def small(seed: int, *, count: int, most: float = 0.6, threads: int = 1) -> list[Wanted]:
    """Applications for `on(seed)`."""
    rng = np.random.default_rng(seed)
    return wanted(board(rng), rng, count=count, most=most, threads=threads)


def on(seed: int) -> Board:
    """A small board."""
    return board(np.random.default_rng(seed))


def settled(apps: Sequence[Wanted], found: Solution) -> list[Wanted]:
    """The applications where the decision puts them."""
    pairs = zip(apps, found.placement, strict=True)
    return [msgspec.structs.replace(app, cores=cores) for app, cores in pairs]


def test_an_idle_board_stays_at_its_lowest_points() -> None:
    """Nothing to decide is decided with proof: the air's temperature, and what idle cores take."""
    asleep = WhatIf(REFERENCE, REFERENCE.cooling_named("fan"))
    found = JointSearch(asleep).solve([])
    assert (0, 0) == found.opp_index
    assert (25.0, 25.0, True) == (found.value, found.lower_bound, found.optimal)
    awake = JointSearch(WhatIf(on(0), COOLING)).solve([])
    assert found.value < awake.value < COOLING.ambient_c + 1.0


@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_decided_can_be_carried_out(threads: int) -> None:
    """One core for one thread, several of one cluster for several, and the value is the models'."""
    for seed in range(20):
        apps = small(seed, count=3, threads=threads)
        models = WhatIf(on(seed), COOLING)
        found = JointSearch(models, objective="mean").solve(apps)
        for app, cores in zip(apps, found.placement, strict=True):
            assert [] == list(placement_problems(models.board, app.threads, cores))
        outcome = models.evaluate(apps, found.placement, found.opp_index)
        assert (outcome.mean_c, outcome.peak_c) == (found.value, found.peak_c)
        assert outcome.shortfall == found.shortfall
        assert sum(miss.share for miss in found.misses) == pytest.approx(found.shortfall, abs=1e-6)


def test_the_same_question_has_the_same_answer() -> None:
    """Bit by bit, whatever was asked in between."""
    search = JointSearch(WhatIf(on(3), COOLING))
    first = search.solve(small(3, count=3))
    search.solve(small(4, count=2))
    assert first == search.solve(small(3, count=3))


@pytest.mark.parametrize("move_k", [0.05, 0.5])
def test_nobody_moves_for_nothing(move_k: float) -> None:
    """Asked again where all stand as it decided, it moves nobody: it would have done so at once."""
    for seed in range(20):
        search = JointSearch(WhatIf(on(seed), COOLING), move_k=move_k)
        apps = small(seed, count=3)
        found = search.solve(apps)
        assert found.placement == search.solve(settled(apps, found)).placement


def test_a_move_that_gains_less_than_it_costs_is_not_made() -> None:
    """Two alike cores: whichever it is on, it stays, although one is a little cooler."""
    models, apps = WhatIf(on(4), COOLING), small(4, count=1, most=0.3)
    ((best,),) = JointSearch(models).solve(apps).placement
    cluster = models.board.clusters[models.board.cluster_of_core[best]]
    for core in cluster.cores:
        (here,) = [msgspec.structs.replace(apps[0], cores=(core,))]
        assert ((core,),) == JointSearch(models, move_k=1.0).solve([here]).placement
        assert ((best,),) == JointSearch(models).solve([here]).placement


def test_eight_alike_applications_are_no_riddle() -> None:
    """Which of them is where makes no difference, so it is not tried."""
    rng = np.random.default_rng(1)
    program = profile("one", rng)
    apps = wanted(REFERENCE_LIKE, rng, count=8, most=0.2, programs=[program])
    found = JointSearch(WhatIf(REFERENCE_LIKE, COOLING), budget=20_000).solve(apps)
    assert found.optimal


REFERENCE_LIKE = board(np.random.default_rng(2), sizes=(4, 4), points=4)


def test_of_two_points_at_one_voltage_the_higher_is_taken_where_it_lets_an_application_move() -> (
    None
):
    """LITTLE's 1210 and 1402 MHz both have 850 mV, and only the second is fast enough."""
    little, _ = REFERENCE.clusters
    low, high = 2, 3
    assert little.opps[low].volt_v == little.opps[high].volt_v
    (program,) = find_applications(["splash2x.barnes"])
    program = msgspec.structs.replace(program, phases=())
    slow_ips, fast_ips = (program.ips(little, little.freqs_hz[at]) for at in (low, high))
    now_on_big = Wanted(0, program, 0, (slow_ips + fast_ips) / 2.0, 1, (4,))
    search = JointSearch(WhatIf(REFERENCE, REFERENCE.cooling_named("fan")), move_k=0.01)
    found = search.solve([now_on_big])
    assert found.optimal
    assert found.placement[0][0] in little.cores
    assert high == found.opp_index[0]
    stays = search.solve([now_on_big], allowed_clusters=[frozenset({1})])
    assert found.value < stays.value - 0.1


def test_where_the_lower_of_two_points_at_one_voltage_is_enough_it_is_cooler() -> None:
    """The voltage is the same, and every switch costs."""
    little, _ = REFERENCE.clusters
    (program,) = find_applications(["splash2x.barnes"])
    program = msgspec.structs.replace(program, phases=())
    target_ips = 0.99 * program.ips(little, little.freqs_hz[2])
    app = Wanted(0, program, 0, target_ips, 1, (0,))
    found = JointSearch(WhatIf(REFERENCE, REFERENCE.cooling_named("fan"))).solve([app])
    assert (2, 0) == found.opp_index


def test_allowed_clusters_are_kept_to() -> None:
    """Whatever it costs."""
    models = WhatIf(on(5), COOLING)
    apps = small(5, count=3, most=0.4)
    allowed = [frozenset({0}), frozenset({1}), frozenset({0, 1})]
    found = JointSearch(models).solve(apps, allowed_clusters=allowed)
    owner = models.board.cluster_of_core
    for (core,), clusters in zip(found.placement, allowed, strict=True):
        assert owner[core] in clusters
    assert JointSearch(models).solve(apps).value <= found.value + 1e-3


def test_without_sharing_every_application_has_a_core_of_its_own() -> None:
    """Even where sharing would be cooler."""
    models = WhatIf(on(6), COOLING)
    apps = small(6, count=4, most=0.2)
    shared, alone = (JointSearch(models, sharing=sharing).solve(apps) for sharing in (True, False))
    assert 4 == len(set(alone.placement)) > len(set(shared.placement))
    assert shared.value < alone.value


def test_what_cannot_settle_has_an_infinite_value_with_proof() -> None:
    """Hardly any cooling: whatever is decided, leakage outruns it."""
    hot = msgspec.structs.replace(COOLING, conductance_w_per_k=1e-3)
    found = JointSearch(WhatIf(on(7), hot)).solve(small(7, count=2))
    assert (math.inf, math.inf, True) == (found.value, found.lower_bound, found.optimal)
    assert 0.0 == found.gap


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "noise"},
            "objective must be one of peak, sensor, mean, power (got 'noise')",
        ),
        ({"move_k": -1.0}, "move_k must be a finite number, not negative (got -1.0)"),
        ({"tolerance_k": math.nan}, "tolerance_k must be a finite number, not negative (got nan)"),
        ({"budget": 0}, "budget must be at least 1 node (got 0)"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(options: dict[str, float], message: str) -> None:
    """With what would make sense."""
    with pytest.raises(InvalidInput) as caught:
        JointSearch(WhatIf(on(0), COOLING), **options)  # type: ignore[arg-type]
    assert message == str(caught.value)


def test_questions_that_make_no_sense_are_refused() -> None:
    """A target of nothing, no cluster to go to, more applications than cores and no sharing."""
    search = JointSearch(WhatIf(on(0), COOLING), sharing=False)
    apps = small(0, count=5)
    asleep = msgspec.structs.replace(apps[0], target_ips=0.0)
    with pytest.raises(InvalidInput, match=r"target_ips of application 0 must be a positive"):
        search.solve([asleep])
    with pytest.raises(InvalidInput, match=r"application 0 must be some out of 0 \.\.\. 1"):
        search.solve(apps[:1], allowed_clusters=[frozenset({7})])
    with pytest.raises(InvalidInput, match=r"one entry for each of 2 applications \(got 1\)"):
        search.solve(apps[:2], allowed_clusters=[frozenset({0})])
    with pytest.raises(InvalidInput, match=r"have a core each \(got 5 for 4 cores\)"):
        search.solve(apps)
    many = [msgspec.structs.replace(apps[0], id=i, threads=2, cores=(0, 1)) for i in range(3)]
    with pytest.raises(InvalidInput, match=r"have a core each \(got 3 for 4 cores\)"):
        search.solve(many)
