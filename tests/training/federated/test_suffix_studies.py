"""Tests of the studies of CAFF and LEGEND: what is run, and what the tables say of it."""

import pytest

from training.federated.compare.contestants import contestants
from training.federated.study import DEFAULT, SMOKE, Cell, Outcome, Point, Stage
from training.federated.system import Setup
from training.federated.systems.caff import study as caff
from training.federated.systems.caff.cost_table import cost_table
from training.federated.systems.caff.methods import METHODS
from training.federated.systems.legend import study as legend
from training.federated.systems.legend.methods import METHODS as LEGEND_METHODS
from training.federated.systems.suffix_tuning.readings import (
    Runs,
    difference,
    final_runs,
    judged,
    multiple_to,
    to_target,
    waiting_share,
)


def outcome(
    setup: Setup, tests: list[float], *, round_s: float = 1.0, stage: Stage = "final"
) -> Outcome:
    """A run of these test accuracies whose rounds cost the same each."""
    points = tuple(
        Point(
            round=index,
            time_s=round_s * index,
            waiting_s=2.0 * index,
            energy_j=1.0 * index,
            up_bytes=100 * index,
            down_bytes=300 * index,
            flops=1e9 * index,
            validation=test,
            test=test,
        )
        for index, test in enumerate(tests)
    )
    rounds = len(tests) - 1
    notes = {"turns": 8.0, "trained_layers": 24.0, "layers": 4.0, "turn_s": 6.0}
    return Outcome(
        cell=Cell(stage=stage, setup=setup, rounds=rounds),
        points=points,
        peak_bytes=5000,
        notes={name: value * rounds for name, value in notes.items()},
    )


def run(method: str, seed: int, tests: list[float], stage: Stage = "final") -> Outcome:
    """A run of LEGEND's study."""
    setup = Setup(system="legend", method=method, task="labels", seed=seed)
    return outcome(setup, tests, stage=stage)


def test_memory_and_upload_are_scenes_of_their_own() -> None:
    """A method under one kind of limit is not compared with one under another."""
    setups = caff.STUDY.setups(DEFAULT, 1)
    found = contestants(setups, caff.STUDY.scene_options)
    scenes = dict.fromkeys(one.scene for one in found)
    assert [
        "labels (memory share 1.5, upload share 0)",
        "tokens (memory share 1.5, upload share 0)",
        "labels (memory share 0, upload share 0.5)",
    ] == list(scenes)
    assert {one.name for one in found} == set(METHODS)


def test_the_size_smoke_leaves_out_what_needs_more_rounds_to_show() -> None:
    """It is there to see that everything runs."""
    for study in (caff.STUDY, legend.STUDY):
        assert len(study.setups(SMOKE, 1)) < len(study.setups(DEFAULT, 1))


def test_the_clock_of_legends_study_is_that_of_roberta() -> None:
    """Compute of a large model; traffic grows as its encoder does, more than LoRA's would."""
    assert {"roberta-base"} == {each.stand_in for each in legend.STUDY.setups(DEFAULT, 1)}


def test_runs_are_ordered_by_method_and_seed_and_those_with_losses_left_out() -> None:
    """Pairs are made by seed."""
    outcomes = [
        run("uniform", 2, [0, 0.4]),
        run("legend", 1, [0, 0.5]),
        run("uniform", 1, [0, 0.3]),
        run("legend", 1, [0, 0.1], stage="robust"),
    ]
    found = final_runs(outcomes, LEGEND_METHODS)
    assert [("legend", [0.5]), ("uniform", [0.3, 0.4])] == [
        (each.method, each.accuracies()) for each in found
    ]


def test_a_difference_is_taken_seed_by_seed() -> None:
    """Seeds differ more than methods do."""
    low = Runs("a", tuple(run("legend", seed, [0, 0.1 * seed]) for seed in (1, 2, 3)))
    high = Runs("b", tuple(run("uniform", seed, [0, 0.1 * seed + 0.05]) for seed in (1, 2, 3)))
    found = difference(high, low)
    assert 0.05 == pytest.approx(found.mean)
    assert "higher" == judged(found)
    assert "lower" == judged(difference(low, high))


def test_a_target_is_reached_at_the_first_round_that_has_it() -> None:
    """A later fall does not matter; a run that never has it counts as none."""
    runs = Runs("a", (run("legend", 1, [0, 0.6, 0.5]), run("legend", 2, [0, 0.1, 0.2])))
    assert [1.0, None] == to_target(runs, 0.55, lambda point: point.time_s)


def test_a_multiple_to_the_target_is_a_geometric_mean_over_pairs_of_seeds() -> None:
    """Twice as long and half as long are as long; who never arrives has none."""
    fast, slow, never = [0, 0.6, 0.6], [0, 0.1, 0.6], [0, 0.1, 0.1]
    first = Runs("a", (run("legend", 1, fast), run("legend", 2, slow)))
    second = Runs("b", (run("uniform", 1, slow), run("uniform", 2, fast)))
    found = multiple_to(first, second, 0.55, lambda point: point.time_s)
    assert found is not None
    assert 1.0 == pytest.approx(found.mean)
    assert found.low is not None
    assert found.low < 0.01
    other = Runs("c", (run("uniform", 1, fast), run("uniform", 2, never)))
    assert multiple_to(first, other, 0.55, lambda point: point.time_s) is None


def test_waiting_is_a_share_of_the_devices_time() -> None:
    """2 s of waiting beside 6 s of work."""
    assert 0.25 == waiting_share(run("legend", 1, [0, 0.5]))


def test_the_cost_table_confirms_that_depth_saves_memory_and_lora_alone_does_not() -> None:
    """Near the 3.9 times that were once measured at equal upload, on a model of that size."""
    table = cost_table()
    assert "sends 1.02 times as much" in table.verdict
    assert "4.0 times the memory" in table.verdict


def test_caffs_tables_judge_every_baseline_and_read_equal_flops_within_the_runs() -> None:
    """LoRA is better in every seed here, head alone worse."""
    level = {"caff": 0.5, "lora-r2": 0.7, "head": 0.3}
    outcomes = [
        outcome(setup, [0.1, level[setup.method] + 0.01 * seed])
        for seed in (1, 2, 3)
        for setup in caff.STUDY.setups(DEFAULT, seed)
        if setup.method in level and setup.task == "labels"
    ]
    found = {
        table.title.partition(":")[0]: table for table in caff.STUDY.tables(DEFAULT, outcomes, {})
    }
    assert [
        "What one device pays (modelled)",
        "Equal memory",
        "Equal FLOPs",
        "Equal upload",
    ] == list(found)
    assert "accuracy against caff's: higher: lora-r2; lower: head" == found["Equal memory"].verdict
    rows = {row[0]: row for row in found["Equal memory"].rows}
    assert ("4", "8.0 of 8", "3.00") == rows["caff"][1:4]
    assert "–" == rows["caff"][-1]
    assert ["caff", "lora-r2"] == [row[0] for row in found["Equal upload"].rows]


def test_legends_tables_say_who_reached_the_target_and_what_ranks_did() -> None:
    """Rising ranks are worse here at the end: the table says so."""
    ends = {"legend": 0.80, "flat-ranks": 0.83, "decreasing-ranks": 0.70, "uniform": 0.81}
    late = {"legend": 0.1, "flat-ranks": 0.0, "decreasing-ranks": 0.0, "uniform": 0.0}
    outcomes = [
        outcome(
            setup, [0.2, ends[setup.method] - late[setup.method] * (seed == 2), ends[setup.method]]
        )
        for seed in (1, 2, 3)
        for setup in legend.STUDY.setups(DEFAULT, seed)
        if setup.method in ends
    ]
    tables = legend.STUDY.tables(DEFAULT, outcomes, {})
    assert 3 == len(tables)
    costs = {row[0]: row for row in tables[0].rows}
    assert "3 of 3" == costs["legend"][1]
    multiple = "0.79× [0.29, 2.14]"
    assert f"uniform LoRA needs {multiple} legend's time and {multiple} its" in tables[0].verdict
    assert (multiple, "400 B", multiple) == costs["uniform"][3:6]
    assert ("0 of 3", "not always reached") == costs["decreasing-ranks"][1:3]
    assert "flat-ranks: lower at the end" in tables[1].verdict
    assert "decreasing-ranks: higher at the end" in tables[1].verdict
