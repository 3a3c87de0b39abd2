"""The study: a grid of modelled devices, and tables that say what they are."""

import json
import math
from typing import Any

import msgspec
import pytest

from training.federated.study import SMOKE, Table
from training.federated.systems.joint_batch_frequency import SYSTEM
from training.federated.systems.joint_batch_frequency.erring import (
    ERRORS,
    MARGINS,
    Erring,
    erring,
)
from training.federated.systems.joint_batch_frequency.experiment import (
    BATCHES,
    CAP_SHARES,
    Grid,
    cells_of,
    count_rule,
    devices,
)
from training.federated.systems.joint_batch_frequency.figures import regret
from training.federated.systems.joint_batch_frequency.methods import METHODS
from training.federated.systems.joint_batch_frequency.study import ERRING, GRID, JointStudy
from training.federated.systems.joint_batch_frequency.study_tables import _halving_verdict


@pytest.fixture(scope="module")
def grid() -> Grid:
    """One rule, one seed, one network: its cells on all devices."""
    counted = count_rule("sqrt", 1)
    some = [each for each in devices() if each[2] == "tiny-4"]
    cells = [
        cell for kind, name, load, t in some for cell in cells_of(kind, name, load, t, counted)
    ]
    return Grid(counted=[counted], cells=cells)


@pytest.fixture(scope="module")
def tables(grid: Grid) -> list[Table]:
    """The study's tables of that, as if it had come through a file."""
    document: Any = json.loads(json.dumps(msgspec.to_builtins(grid, str_keys=True)))
    return list(JointStudy().tables(SMOKE, [], {GRID: document}))


def test_every_cell_has_every_method_on_both_kinds_of_devices(grid: Grid) -> None:
    """Two GPUs and three CPUs, each under every cap."""
    assert 5 * len(CAP_SHARES) == len(grid.cells)
    assert all(set(METHODS) <= set(cell.results) for cell in grid.cells)
    assert {"gpu", "cpu"} == {cell.kind for cell in grid.cells}


def test_nothing_is_faster_than_the_exhaustive_optimum_unless_it_breaks_the_cap(
    grid: Grid,
) -> None:
    """Regret is never below zero where no time is spent above the cap."""
    for cell in grid.cells:
        for method, result in cell.results.items():
            found = regret(cell, method)
            if result is not None and found is not None and result.over_share == 0:
                assert found >= -1e-12


def test_the_joint_choice_never_breaks_the_cap(grid: Grid) -> None:
    """The reactive baseline does."""
    joint = [cell.results["joint"] for cell in grid.cells]
    reactive = [cell.results["reactive"] for cell in grid.cells]
    assert all(result is not None and result.over_share == 0 for result in joint)
    assert any(result is not None and result.over_share > 0 for result in reactive)


def test_tables_say_the_rule_that_power_is_modelled_and_the_papers_figure(
    tables: list[Table],
) -> None:
    """Unrounded beside ours."""
    assert all("learning-rate rule" in t.columns or "network" in t.columns for t in tables)
    gains = next(table for table in tables if table.title.startswith("Time to target"))
    assert "modelled" in gains.title
    assert "2.4" in gains.paper
    assert "2.3" in gains.paper
    example = next(table for table in tables if table.title.startswith("Batch 64"))
    assert "31.9 %" in example.paper


@pytest.mark.parametrize(
    ("by_time", "said"),
    [
        (["-3.0%", "-0.1%"], "the samples save the time"),
        (["2.0%", "1.0%"], "both save time"),
        (["-3.0%", "1.0%"], "depends on the rule"),
        (["None", "1.0%"], "depends on the rule"),
    ],
)
def test_both_save_time_is_said_only_where_both_do_by_every_rule(
    by_time: list[str], said: str
) -> None:
    """One rule by which it does not is enough not to say so."""
    assert said in _halving_verdict(by_time)


def test_rows_are_as_wide_as_their_heads(tables: list[Table]) -> None:
    """Every table."""
    for table in tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_largest_batch_gets_there_so_that_it_is_not_set_up_to_fail(grid: Grid) -> None:
    """The base rate is one with which every batch reaches the target on the proxy."""
    proxy = grid.counted[0].medians("proxy")
    assert list(BATCHES) == sorted(proxy)
    assert all(math.isfinite(samples) for samples in proxy.values())


def test_methods_are_set_up_alike() -> None:
    """The system first; the same options for all."""
    setups = JointStudy().setups(SMOKE, 3)
    assert list(SYSTEM.methods) == [setup.method for setup in setups]
    assert 1 == len({str(setup.options) for setup in setups})


def test_a_table_of_power_that_errs_breaks_caps_and_a_margin_helps() -> None:
    """By true power: none without errors, fewer with a margin; the table has a row for each."""
    document = json.loads(json.dumps(erring(seeds=1, draws=1)))
    found = msgspec.convert(document, list[Erring])
    for kind in ("gpu", "cpu"):
        rows = {(each.error, each.margin): each for each in found if each.kind == kind}
        assert 0 == rows[0.0, 0.0].over_share
        assert 1 == rows[0.0, 0.0].times_as_long < rows[0.0, MARGINS[1]].times_as_long
        assert 0 < rows[ERRORS[-1], 0.0].over_share
        assert rows[ERRORS[-1], MARGINS[1]].over_share < rows[ERRORS[-1], 0.0].over_share
    (table,) = JointStudy().tables(SMOKE, [], {ERRING: document})
    assert 2 * len(ERRORS) * len(MARGINS) == len(table.rows)


def test_the_jobs_take_about_twice_the_seeds_of_the_runs() -> None:
    """An odd number, for medians."""
    jobs = {job.name: job for job in JointStudy().jobs(SMOKE)}
    assert {GRID, ERRING} == set(jobs)
    assert all(2 * SMOKE.seeds + 1 == job.arguments["seeds"] for job in jobs.values())
