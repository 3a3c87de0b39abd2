"""Tests of the plan of a recording: what is drawn, and that it is drawn the same every time."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.application_file import shipped_applications
from platforms.board import Board
from platforms.board_file import load_board, shipped_boards
from traces.plan import Conduct, Plan, PlannedScenario, draw_scenarios, opp_grid, split_pools
from traces.schema import applications_digest

BOARD = load_board("hikey970")
POOLS = (("a", "b", "c", "d"), ("x", "y"))


def drawn(
    seed: int, *, count: int = 60, most: int = 6, board: Board = BOARD
) -> tuple[PlannedScenario, ...]:
    """Scenarios out of two pools."""
    rng = np.random.default_rng(seed)
    return draw_scenarios(board, POOLS, count=count, most_background=most, rng=rng)


def plan(seed: int = 0) -> Plan:
    """A small plan."""
    return Plan(
        board=BOARD.name,
        board_sha256="ab",
        applications_sha256="cd",
        cooling="fan",
        seed=seed,
        window_s=2.0,
        variation=0.1,
        diversity=0.2,
        grid=opp_grid(BOARD, 2),
        scenarios=drawn(seed, count=5),
        pools=POOLS,
    )


@given(seed=st.integers(0, 2**32 - 1), most=st.integers(0, 20))
def test_pools_never_mix_and_everybody_has_a_core_of_his_own(seed: int, most: int) -> None:
    """An application that validates must not be known from training, not even as background."""
    for scenario in drawn(seed, most=most, count=20):
        involved = {scenario.application, *scenario.background}
        assert any(involved <= set(pool) for pool in POOLS)
        cores = scenario.background_cores
        assert len(scenario.background) == len(cores) == len(set(cores)) <= min(most, 7)
        assert set(cores) <= set(range(8))


def test_every_application_is_of_interest_equally_often_within_its_pool() -> None:
    """Chance must not decide that an application is hardly ever demonstrated."""
    counts = Counter(scenario.application for scenario in drawn(3, count=61))
    for pool in POOLS:
        of_pool = [counts[name] for name in pool]
        assert max(of_pool) - min(of_pool) <= 1
    assert 61 == sum(counts.values())


def test_pools_share_the_scenarios_by_their_size() -> None:
    """Four applications for training get twice what two for validation get."""
    counts = Counter(scenario.application in POOLS[0] for scenario in drawn(5, count=60))
    assert {True: 40, False: 20} == counts


def test_background_goes_up_to_the_most_that_was_asked_for() -> None:
    """An idle board and a crowded one are both in."""
    sizes = {len(scenario.background) for scenario in drawn(1, count=200, most=3)}
    assert {0, 1, 2, 3} == sizes


def test_the_same_seed_gives_the_same_plan_and_another_another() -> None:
    """An interrupted recording is found again by it."""
    assert plan(1) == plan(1)
    assert plan(1).digest == plan(1).digest
    assert drawn(1) != drawn(2)
    seeds = [scenario.seed for scenario in drawn(1)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("field", Plan.__struct_fields__)
def test_the_digest_changes_with_everything(field: str) -> None:
    """Parts of another plan must never be taken for this one's."""
    before = plan()
    other: dict[str, object] = {
        "grid": before.grid[1:],
        "pools": POOLS[:1],
        "conduct": Conduct(repeats=2),
        "scenarios": (
            msgspec.structs.replace(before.scenarios[0], seed=before.scenarios[0].seed + 1),
            *before.scenarios[1:],
        ),
    }
    value = getattr(before, field)
    changed = other.get(field, value + "x" if isinstance(value, str) else value)
    if changed == value:
        changed = value + 1
    assert before.digest != msgspec.structs.replace(before, **{field: changed}).digest


def test_the_digest_of_applications_changes_with_numbers_but_not_with_their_notes() -> None:
    """New profiles make another recording; a better note on where they come from does not."""
    profiles = list(shipped_applications().values())
    digest = applications_digest(profiles)
    assert digest == applications_digest(reversed(profiles))
    replace = msgspec.structs.replace
    assert digest == applications_digest([replace(profiles[0], sources={}), *profiles[1:]])
    faster = replace(profiles[0], activity=0.5 * profiles[0].activity)
    assert digest != applications_digest([faster, *profiles[1:]])
    assert digest != applications_digest(profiles[1:])


@pytest.mark.parametrize("name", shipped_boards())
@given(points=st.none() | st.integers(2, 30))
def test_the_grid_has_the_lowest_and_the_highest_points_of_every_cluster(
    name: str, points: int | None
) -> None:
    """The oracle can neither go slower nor faster than what was recorded."""
    board = load_board(name)
    grid = opp_grid(board, points)
    axes = [sorted(set(axis)) for axis in zip(*grid, strict=True)]
    assert len(grid) == len(set(grid)) == np.prod([len(axis) for axis in axes])
    for axis, cluster in zip(axes, board.clusters, strict=True):
        count = len(cluster.opps)
        assert (0, count - 1) == (axis[0], axis[-1])
        assert min(points or count, count) == len(axis)
        steps = np.diff(axis)
        assert steps.max() - steps.min() <= 1


def test_a_cluster_with_one_operating_point_stays_at_it() -> None:
    """Some clusters have a fixed clock."""
    little, big = BOARD.clusters
    fixed = msgspec.structs.replace(little, opps=little.opps[:1])
    board = msgspec.structs.replace(BOARD, clusters=(fixed, big))
    assert ((0, 0), (0, 8)) == opp_grid(board, 2)


@given(seed=st.integers(0, 1000), most=st.integers(0, 7))
def test_the_run_count_is_free_cores_times_grid(seed: int, most: int) -> None:
    """It is announced before the work begins."""
    asked = msgspec.structs.replace(plan(), scenarios=drawn(seed, count=7, most=most))
    free = [asked.free_cores(scenario, BOARD) for scenario in asked.scenarios]
    for cores, scenario in zip(free, asked.scenarios, strict=True):
        assert sorted((*cores, *scenario.background_cores)) == list(range(8))
    assert sum(map(len, free)) * len(asked.grid) == asked.run_count(BOARD)


@given(count=st.integers(1, 30), share=st.floats(0.0, 0.9), seed=st.integers(0, 1000))
def test_held_out_names_are_a_share_and_never_all(count: int, share: float, seed: int) -> None:
    """Without an application to train on there is nothing to hold out for."""
    names = [f"app{number}" for number in range(count)]
    rng = np.random.default_rng(seed)
    training, held_out = split_pools(names, held_out_share=share, rng=rng)
    assert sorted(names) == sorted((*training, *held_out))
    assert training
    assert len(held_out) == min(round(share * count), count - 1)


def test_each_core_visits_other_points_of_a_random_design_and_the_same_ones_every_time() -> None:
    """So the cores of a cluster complete each other, and a recording can be gone on with."""
    sparse = msgspec.structs.replace(plan(), design="latin:3", grid=opp_grid(BOARD, None))
    scenario = sparse.scenarios[0]
    cores = sparse.free_cores(scenario, BOARD)
    visited = [sparse.points(scenario, core) for core in cores]
    assert visited == [sparse.points(scenario, core) for core in cores]
    assert len(set(visited)) > 1
    assert {3} == {len(points) for points in visited}
    assert set(sparse.grid) > {point for points in visited for point in points}


def test_the_number_of_runs_is_told_before_they_are_made() -> None:
    """For the estimate, by whatever design."""
    for design in ("full", "corners", "latin:3"):
        chosen = msgspec.structs.replace(plan(), design=design)
        runs = [run for scenario in chosen.scenarios for run in chosen.runs(scenario, BOARD)]
        assert len(runs) == chosen.run_count(BOARD)


def test_plans_that_differ_in_their_design_alone_have_the_same_grid() -> None:
    """They complete each other; no other plan does."""
    full = plan()
    sparse = msgspec.structs.replace(full, design="corners")
    assert full.digest != sparse.digest
    assert full.grid_digest == sparse.grid_digest
    assert full.grid_digest != plan(1).grid_digest
