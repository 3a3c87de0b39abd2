"""Energy-aware placement, with the worked example of Documentation/scheduler/sched-energy.rst.

Example 2 there: CPU0 and CPU1 are little, CPU2 and CPU3 big; their utilisation without the task P
is 200, 100, 600 and 500; P has 200 and ran on CPU0.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board
from rm.policies.energy_aware import energy_efficient_core, overutilised, placements
from rm.policies.energy_model import (
    EnergyModel,
    PerformanceDomain,
    PerformanceState,
    fits,
)
from rm.policies.run_queues import Landscape, Task
from tests.rm.readings import HIKEY

LITTLE = PerformanceDomain(
    (0, 1),
    (PerformanceState(170, 50), PerformanceState(341, 150), PerformanceState(512, 300)),
)
BIG = PerformanceDomain(
    (2, 3),
    (PerformanceState(512, 400), PerformanceState(768, 800), PerformanceState(1024, 1700)),
)
MODEL = EnergyModel((LITTLE, BIG))
CAPACITY = (512.0, 512.0, 1024.0, 1024.0)
WITHOUT_P = (200.0, 100.0, 600.0, 500.0)
P = 200.0

NO_HEADROOM = 1.0
"""The example maps utilisation to the next OPP as it is; schedutil's 1.25 came later."""


def _terms(core: int) -> list[float]:
    """The energy of each CPU with P on `core`."""
    utils = [util + P * (cpu == core) for cpu, util in enumerate(WITHOUT_P)]
    return [
        domain.energy(max(utils[c] for c in domain.cores), utils[cpu], headroom=NO_HEADROOM)
        for domain in MODEL.domains
        for cpu in domain.cores
    ]


@pytest.mark.parametrize(
    ("core", "terms", "total"),
    [
        pytest.param(1, [88, 131, 625, 520], 1364, id="case 1: P is migrated to CPU1"),
        pytest.param(3, [88, 43, 625, 729], 1485, id="case 2: P is migrated to CPU3"),
        pytest.param(0, [234, 58, 625, 520], 1437, id="case 3: P stays on CPU0"),
    ],
)
def test_the_documented_example_has_the_documented_energies(
    core: int, terms: list[int], total: int
) -> None:
    """Utilisation / capacity x power of every CPU at its domain's OPP.

    The documentation gives whole numbers, cut off (131.96 is 131) but for one rounded (87.98, 88).
    """
    assert all(abs(exact - whole) < 1.0 for exact, whole in zip(_terms(core), terms, strict=True))
    assert total == sum(terms)


def test_the_documented_totals_rank_as_documented() -> None:
    """Case 1 before case 3 before case 2."""
    assert [1, 0, 3] == sorted((0, 1, 3), key=lambda core: sum(_terms(core)))


def test_the_documented_example_ends_on_cpu1() -> None:
    """Case 1 has the lowest total energy."""
    best = energy_efficient_core(MODEL, WITHOUT_P, P, 0, CAPACITY, headroom=NO_HEADROOM)
    assert 1 == best


def test_with_schedutils_headroom_nothing_is_saved_and_the_example_stays_on_cpu0() -> None:
    """On either little CPU P now needs 512: equal energies keep the previous CPU."""
    at = {core: LITTLE.energy(400.0 - 100.0 * core, 500.0) for core in (0, 1)}
    assert at[0] == at[1]
    assert 0 == energy_efficient_core(MODEL, WITHOUT_P, P, 0, CAPACITY)


def test_of_each_domain_the_cpu_with_most_spare_capacity_is_tried() -> None:
    """From a big core P goes to CPU1, not to CPU0, which would raise the OPP."""
    best = energy_efficient_core(MODEL, WITHOUT_P, P, 2, CAPACITY, headroom=NO_HEADROOM)
    assert 1 == best


def test_a_task_that_would_fill_the_little_cpus_goes_to_a_big_one() -> None:
    """Beyond 80 % of a capacity it does not fit; CPU3 has more to spare than CPU2."""
    assert not fits(100.0 + 310.0, 512.0)
    assert 3 == energy_efficient_core(MODEL, WITHOUT_P, 310.0, 0, CAPACITY)


def test_a_task_that_fits_nowhere_stays_where_it_is() -> None:
    """There is no candidate; over-utilisation will see to it."""
    assert 1 == energy_efficient_core(MODEL, WITHOUT_P, 900.0, 1, CAPACITY)


def test_a_task_without_utilisation_stays_where_it_is() -> None:
    """It costs nothing anywhere."""
    assert 2 == energy_efficient_core(MODEL, WITHOUT_P, 0.0, 2, CAPACITY)


def test_a_small_task_goes_big_where_it_would_raise_the_little_clusters_opp() -> None:
    """The documentation's last remark: its own cost is higher, but the others' stays low."""
    busy_little, idle_big = (330.0, 330.0, 100.0, 0.0), (0.0, 0.0, 0.0, 0.0)
    assert 3 == energy_efficient_core(MODEL, busy_little, 20.0, 0, CAPACITY, headroom=NO_HEADROOM)
    assert 0 == energy_efficient_core(MODEL, idle_big, 20.0, 0, CAPACITY, headroom=NO_HEADROOM)


def test_a_thermal_cap_makes_a_core_smaller() -> None:
    """Big cores capped to 170 of capacity are none for a task of 200."""
    capped = (512.0, 512.0, 170.0, 170.0)
    assert 1 == energy_efficient_core(MODEL, (0.0,) * 4, P, 1, capped)
    assert 3 == energy_efficient_core(MODEL, (300.0, 300.0, 0.0, 0.0), P, 3, CAPACITY)


@pytest.mark.parametrize(("util", "tipped"), [(408.0, False), (411.0, True), (0.0, False)])
def test_the_tipping_point_is_at_80_percent_of_any_core(util: float, tipped: bool) -> None:
    """512 x 0.8 = 409.6, of one little core while all others sleep."""
    assert tipped is overutilised((0.0, util, 0.0, 0.0), CAPACITY)


def test_each_task_sees_where_those_before_it_went() -> None:
    """Two equal tasks from the big cores take a little core each, not both the same."""
    tasks = (Task(7, 2, 150.0), Task(8, 3, 150.0))
    seen = Landscape(tasks, (0.0, 0.0, 150.0, 150.0), (0, 0, 1, 1))
    assert [(7, 0), (8, 1)] == placements(MODEL, seen, CAPACITY)


_UTILS = st.lists(st.floats(0.0, 400.0), min_size=4, max_size=4)


@given(_UTILS, st.floats(1.0, 400.0), st.integers(0, 3))
def test_no_other_candidate_is_cheaper(utils: list[float], task: float, previous: int) -> None:
    """Brute force over all cores on which the task fits: none of the domains' best beats it."""

    def total(core: int) -> float:
        placed = [util + task * (cpu == core) for cpu, util in enumerate(utils)]
        return sum(
            d.energy(max(placed[c] for c in d.cores), sum(placed[c] for c in d.cores))
            for d in MODEL.domains
        )

    best = energy_efficient_core(MODEL, utils, task, previous, CAPACITY)
    fitting = [core for core in range(4) if fits(utils[core] + task, CAPACITY[core])]
    if not fitting:
        assert previous == best
        return
    assert best in fitting
    assert total(best) <= min(map(total, fitting)) + 1e-5
    if previous in fitting and best != previous:
        assert total(best) < total(previous)


# --- the model of a board -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hikey970", "hikey960", "rk3588"])
def test_a_boards_model_has_its_opps_and_1024_for_the_strongest_core(name: str) -> None:
    """Capacity and power rise with every OPP."""
    board = load_board(name)
    model = EnergyModel.of(board)
    assert 1024.0 == max(model.core_capacity)
    assert model.asymmetric
    for domain, cluster in zip(model.domains, board.clusters, strict=True):
        assert domain.cores == cluster.cores
        assert len(domain.states) == len(cluster.opps)
        for low, high in zip(domain.states, domain.states[1:], strict=False):
            assert low.capacity < high.capacity
            assert low.power_w < high.power_w


def test_a_cluster_with_all_cores_busy_takes_the_power_of_the_board_file() -> None:
    """Cores and shared part together."""
    little = HIKEY.clusters[0].opps[-1]
    all_busy_w = EnergyModel.of(HIKEY).domains[0].energy(360.0, 4 * 360.0)
    assert all_busy_w == pytest.approx(4 * little.core_busy_w + little.cluster_busy_w)


def test_without_capacities_they_come_from_busy_power_and_frequency() -> None:
    """As `Cluster.strength` says: 283 mW against 1105 mW, and in proportion to the clock."""
    clusters = tuple(
        replace(c, opps=tuple(replace(opp, capacity=None) for opp in c.opps))
        for c in HIKEY.clusters
    )
    little, big = EnergyModel.of(replace(HIKEY, clusters=clusters)).domains
    assert 1024.0 == big.capacity
    assert little.capacity == pytest.approx(1024 * 0.283 / 1.105)
    assert big.states[0].capacity == pytest.approx(1024 * 682 / 2362)


def test_a_cap_lowers_a_clusters_capacity() -> None:
    """The kernel's thermal pressure."""
    capped = EnergyModel.of(HIKEY).capped_capacity((6, 3))
    assert (360.0,) * 4 + (591.0,) * 4 == capped


def test_energy_under_a_cap_is_that_of_the_capped_opp() -> None:
    """Nobody runs faster than allowed: 700 of utilisation at 512."""
    assert BIG.energy(700.0, 700.0, allowed=512.0) == pytest.approx(700.0 / 512.0 * 400.0)
