"""Load balancing by capacity, as Linux documents it for over-utilised systems."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.policies.energy_model import EnergyModel
from rm.policies.load_balance import balanced
from rm.policies.run_queues import Landscape, Task
from tests.platforms.programs import HIKEY
from tests.rm.test_gts import RK3588

MODEL = EnergyModel.of(HIKEY)
ALWAYS = 1024.0
"""A task that never sleeps."""


def _landscape(cores: list[int], util: float = ALWAYS, count: int = 8) -> Landscape:
    threads = Counter(cores)
    tasks = tuple(Task(n, core, util) for n, core in enumerate(cores))
    core_util = tuple(util * threads[core] for core in range(count))
    return Landscape(tasks, core_util, tuple(threads[core] for core in range(count)))


def _moves(*cores: int, util: float = ALWAYS, model: EnergyModel = MODEL) -> list[tuple[int, int]]:
    return balanced(model, _landscape(list(cores), util), model.core_capacity)


def test_a_misfit_task_is_pulled_by_an_idle_core_of_more_capacity() -> None:
    """sched-capacity.rst, 5.1.3."""
    assert [(0, 4)] == _moves(2)


def test_a_task_that_fits_its_core_is_left_there() -> None:
    """250 of 360 leave the margin."""
    assert [] == _moves(2, util=250.0)
    assert [(0, 4)] == _moves(2, util=300.0)


def test_the_largest_misfit_goes_first() -> None:
    """One big core is idle, two tasks want it."""
    tasks = [Task(n, 4 + n, ALWAYS) for n in range(3)]
    misfits = [Task(8, 0, 500.0), Task(9, 1, 700.0)]
    seen = Landscape((*tasks, *misfits), (0.0,) * 8, (1, 1, 0, 0, 1, 1, 1, 0))
    assert [(9, 7)] == balanced(MODEL, seen, MODEL.core_capacity)


def test_misfits_stay_while_no_stronger_core_is_idle() -> None:
    """Nobody makes room for them."""
    assert [] == _moves(4, 5, 6, 7, 0, 1)


def test_a_lone_task_is_never_pulled_to_a_weaker_core() -> None:
    """Not even though four little cores are idle."""
    assert [] == _moves(4, 5, 6, 7)


def test_two_on_a_core_spread_within_their_cluster_first() -> None:
    """A big core is nearer than a little one."""
    assert [(1, 5)] == _moves(4, 4)
    assert [(1, 5)] == _moves(4, 4, util=100.0)


def test_an_idle_core_helps_its_own_cluster_before_another() -> None:
    """Core 5 takes from core 4; who waits on core 0 is then evened out over the big cores."""
    assert [(1, 4), (3, 5)] == _moves(0, 0, 4, 4, 6, 7, 1, 2, 3)


def test_a_weaker_idle_core_takes_who_would_wait_otherwise() -> None:
    """Throughput over fairness of cores: a waiting task is better off on LITTLE."""
    assert [(4, 0)] == _moves(4, 5, 6, 7, 7)


def test_clusters_of_equal_capacity_do_not_pull_from_each_other() -> None:
    """The RK3588 has two big clusters."""
    model = EnergyModel.of(RK3588)
    assert [] == _moves(4, 5, model=model)
    assert [(0, 4)] == _moves(0, model=model)


def test_a_capped_big_cluster_is_no_way_up() -> None:
    """Thermal pressure: capped to 296 the big cores are weaker than LITTLE's 360."""
    capped = MODEL.capped_capacity((6, 0))
    assert [] == balanced(MODEL, _landscape([0]), capped)
    assert [(0, 0)] == balanced(MODEL, _landscape([4]), capped)


@pytest.mark.parametrize(("tasks", "on_big", "on_little"), [(8, 4, 4), (12, 8, 4), (16, 12, 4)])
def test_many_tasks_spread_by_capacity(tasks: int, on_big: int, on_little: int) -> None:
    """A big core is worth almost three little ones, and gets its share of the tasks."""
    cores = [n % 8 for n in range(tasks)]
    ends = dict(enumerate(cores)) | dict(_moves(*cores))
    big = sum(core >= 4 for core in ends.values())
    assert (on_big, on_little) == (big, tasks - big)


@given(st.lists(st.integers(0, 7), max_size=20))
def test_after_its_moves_nobody_moves_again_and_no_core_idles_while_others_queue(
    cores: list[int],
) -> None:
    """Balancing ends, in one epoch."""
    placed = dict(enumerate(cores)) | dict(_moves(*cores))
    assert [] == _moves(*placed.values())
    assert min(len(cores), 8) == len(set(placed.values()))
    assert min(len(cores), 4) <= sum(core >= 4 for core in placed.values())


@given(st.lists(st.integers(0, 7), max_size=12), st.permutations(range(8)))
def test_threads_that_cannot_be_moved_stay_and_count(cores: list[int], order: list[int]) -> None:
    """Threads of a program with several load cores without being tasks of the balancer."""
    fixed = Counter(order[:3])
    seen = _landscape(cores)
    threads = tuple(t + fixed[core] for core, t in enumerate(seen.core_threads))
    crowded = Landscape(seen.tasks, seen.core_util, threads)
    moves = balanced(MODEL, crowded, MODEL.core_capacity)
    assert {task for task, _ in moves} <= set(range(len(cores)))
    ends = (dict(enumerate(cores)) | dict(moves)).values()
    after = Counter(ends) + fixed
    if len(after) < 8:
        assert all(after[core] == 1 for core in ends)
