"""The study compares like with like, and its tables say what the runs came to."""

from typing import Any

import numpy as np
import pytest

from tests.training.federated.fedspzo.toys import setup
from training.federated.compare.contestants import contestants
from training.federated.compare.tuning import grid_of
from training.federated.study import DEFAULT, FULL, SMOKE, Cell, Outcome, Point, Size
from training.federated.system import Setup
from training.federated.systems.fedspzo import study_tables
from training.federated.systems.fedspzo.one_step import measure
from training.federated.systems.fedspzo.options import Options
from training.federated.systems.fedspzo.study import METHODS, TASKS, study


@pytest.mark.parametrize("size", [SMOKE, DEFAULT, FULL])
def test_every_method_runs_on_both_tasks_with_the_same_rates_to_choose_from(size: Size) -> None:
    """FedSPZO alone has a split to choose as well."""
    setups = study().setups(size, 1)
    assert len(METHODS) * len(TASKS) == len({(s.method, s.task) for s in setups}) == len(setups)
    assert len(setups) == len(contestants(setups))
    for one in setups:
        points = grid_of(one, study().grid, 3)
        assert 3 == len({point["learning_rate"] for point in points})
        assert (6 if one.method == "fedspzo" else 3) == len(points)
    assert 1 == len({(s.fleet, s.devices, s.options["budget"]) for s in setups})


def _outcome(method: str, seed: int, tests: list[float], flops_each: float) -> Outcome:
    points = [
        Point(
            round=number,
            time_s=0.0,
            waiting_s=0.0,
            energy_j=0.0,
            up_bytes=number * 400,
            down_bytes=number * 800,
            flops=number * flops_each,
            validation=0.0,
            test=test,
        )
        for number, test in enumerate(tests)
    ]
    given = Setup(system="fedspzo", method=method, task="renamed", devices=4, seed=seed)
    cell = Cell(stage="final", setup=given, rounds=len(tests) - 1)
    notes = {"layer_forwards": 10.0 * (len(tests) - 1)}
    return Outcome(cell=cell, points=tuple(points), peak_bytes=7, notes=notes)


def test_compute_to_a_target_is_compared_seed_by_seed() -> None:
    """FedSPZO gets there in one round of 1 FLOP, mezo-k in two of 2, mezo-1 in one run of two."""
    outcomes = [_outcome("fedspzo", seed, [0.0, 0.9, 1.0], 1.0) for seed in (1, 2)]
    outcomes += [_outcome("mezo-k", seed, [0.0, 0.1, 0.9], 2.0) for seed in (1, 2)]
    outcomes += [_outcome("mezo-1", 1, [0.0, 0.1, 0.9], 1.0)]
    outcomes += [_outcome("mezo-1", 2, [0.0, 0.1, 0.2], 1.0)]
    table = study_tables.to_accuracy(outcomes, "renamed")[1]
    rows = {row[0]: row[3:] for row in table.rows}
    assert ("2 of 2", pytest.approx(10.0), None) == rows["fedspzo"]
    assert ("2 of 2", pytest.approx(20.0), "4.00 [4.00, 4.00]") == rows["mezo-k"]
    assert ("1 of 2", None, None) == rows["mezo-1"]
    assert "mezo-k needed more (4.00 times FedSPZO's)" in table.verdict
    assert "mezo-1 did not always reach it" in table.verdict


def test_a_table_says_where_fedspzo_itself_does_not_get_there() -> None:
    """No ratio then."""
    outcomes = [_outcome("fedspzo", seed, [0.0, 0.1], 1.0) for seed in (1, 2)]
    outcomes += [_outcome("mezo-1", seed, [0.0, 1.0], 1.0) for seed in (1, 2)]
    table = study_tables.to_accuracy(outcomes, "renamed")[0]
    assert "FedSPZO did not reach it in 2 of 2 runs." == table.verdict


def test_what_travels_is_shown_per_device_and_round() -> None:
    """Four devices, two rounds."""
    table = study_tables.wire([_outcome("fedspzo", 1, [0.0, 0.0, 0.0], 1.0)])
    assert (("fedspzo", 100.0, 200.0, 7.0),) == table.rows


def _measured(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "method": "mezo-k",
        "task": "renamed",
        "options": {"model": "source-2:random", "batch": 8, "samples": 4},
        "rates": [1e-3, 1e-2],
        "estimates": 6,
        "examples": 64,
        "warm_steps": 0,
    }
    return measure(**given | changes)


def test_the_worth_of_a_step_is_the_loss_that_it_takes_off() -> None:
    """One number for each estimate that judges; no step takes nothing off."""
    found = _measured()
    assert (16, 3) == (found["layer_forwards"], len(found["drops"]))
    assert 0 < np.abs(found["drops"]).max() < found["loss"]
    still = _measured(rates=[0.0])
    assert [0.0] * 3 == pytest.approx(still["drops"], abs=1e-12)
    assert found["loss"] == still["loss"]


def test_half_way_starts_where_first_order_steps_have_led() -> None:
    """At a lesser loss."""
    assert _measured(estimates=2, warm_steps=30)["loss"] < _measured(estimates=2)["loss"]


def test_options_out_of_range_are_refused_by_name() -> None:
    """Field, requirement, value."""
    with pytest.raises(ValueError, match=r"eps must be above 0 \(got 0\)"):
        Options(eps=0)
    with pytest.raises(ValueError, match=r"samples must be at least 1 \(got 0\)"):
        Options(samples=0)
    with pytest.raises(ValueError, match=r"split must be -1 or a number of layers \(got -2\)"):
        Options(split=-2)
    with pytest.raises(ValueError, match=r"local_steps must be 0 or more \(got -1\)"):
        Options(local_steps=-1)


def test_a_split_outside_the_network_is_refused() -> None:
    """Two layers cannot hold a block of three."""
    from training.federated.systems.fedspzo.workbench import Workbench

    with pytest.raises(ValueError, match=r"split must be at most the model's 2 layers \(got 3\)"):
        Workbench(setup(split=3))
