"""Tests of FedSpine's study: what is run, measured, and what the tables say of it."""

import pytest

from training.federated.compare.contestants import contestants
from training.federated.compare.play import do_job
from training.federated.models.load import load_model
from training.federated.models.shape import shape_of
from training.federated.registry import options_of
from training.federated.study import DEFAULT, FULL, SMOKE, Cell, Outcome, Point, Table
from training.federated.system import Setup
from training.federated.systems.fedspine import SYSTEM
from training.federated.systems.fedspine.arms import Arm
from training.federated.systems.fedspine.contest import EXPLORE, contest, tuned
from training.federated.systems.fedspine.footprint import query_value_bytes, trained_bytes
from training.federated.systems.fedspine.options import METHODS, Options
from training.federated.systems.fedspine.plan import training_bytes, work_of
from training.federated.systems.fedspine.study import COMPARED, FedSpineStudy
from training.federated.systems.fedspine.study_tables import tables

STUDY = FedSpineStudy()


def outcome(method: str, seed: int, tests: list[float], round_s: float) -> Outcome:
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
    setup = Setup(system="fedspine", method=method, task="tokens", fleet="classes20", seed=seed)
    return Outcome(
        cell=Cell(stage="final", setup=setup, rounds=rounds),
        points=points,
        peak_bytes=5000,
        notes={"ratio": 0.25 * rounds, "rank": 4.0 * rounds, "turn_s": 6.0 * rounds},
    )


def speed_table(fixed_s: float, fixed: list[float], unpruned: float = 0.95) -> Table:
    """The table of runs where FedSpine's rounds take 2 s and reach 0.9 in the third."""
    runs = [
        found
        for seed in (1, 2, 3)
        for found in (
            outcome("fedspine", seed, [0.1, 0.5, 0.8, 0.9], 2.0),
            outcome("fixed", seed, fixed, fixed_s),
            outcome("unpruned", seed, [0.1, 0.6, 0.9, unpruned], 4.0),
        )
    ]
    return next(t for t in tables(runs, {}) if t.title.startswith("At the same final"))


@pytest.mark.parametrize("size", [SMOKE, DEFAULT, FULL])
def test_every_setup_is_one_that_a_server_takes(size: object) -> None:
    """Methods are the system's, options are typed, contestants differ."""
    setups = STUDY.setups(size, 1)
    contestants(setups)
    assert SYSTEM.name == setups[0].method
    for setup in setups:
        assert setup.method in METHODS
        options_of(setup, Options)


def test_the_full_size_compares_all_methods_on_the_papers_boards_too() -> None:
    """Smaller sizes keep to what decides: the bandits that are left out are in the contests."""
    assert set(METHODS) == {setup.method for setup in STUDY.setups(FULL, 1)}
    assert {"classes20", "jetson80"} == {setup.fleet for setup in STUDY.setups(FULL, 1)}
    assert list(COMPARED) == [setup.method for setup in STUDY.setups(DEFAULT, 1)]


def test_time_to_the_target_is_a_multiple_of_fedspines() -> None:
    """Both reach 0.82 in round 3: 3 * 3 s against 3 * 2 s."""
    table = speed_table(3.0, [0.1, 0.5, 0.8, 0.9])
    fixed = next(row for row in table.rows if row[0] == "fixed")
    assert "1.50 (1.50 to 1.50)" == fixed[table.columns.index("time to it / FedSpine's")]
    assert 1.5 == fixed[table.columns.index("time of all rounds / FedSpine's")]
    assert "takes 1.50 (1.50 to 1.50) times as long" in table.verdict
    assert "a difference is shown" in table.verdict
    assert "1.4-6.9 times" in table.paper


def test_what_pruning_costs_is_said_loudly() -> None:
    """Unpruned LoRA is 5 points better here, and the verdict says so."""
    assert "PRUNING COSTS ACCURACY: LoRA that is never pruned ends +5.0 points from it." in (
        speed_table(3.0, [0.1, 0.5, 0.8, 0.9]).verdict
    )


def test_what_pruning_costs_is_not_said_where_it_is_not_seen() -> None:
    """Here unpruned LoRA ends lower."""
    verdict = speed_table(3.0, [0.1, 0.5, 0.8, 0.9], unpruned=0.88).verdict
    assert "COSTS" not in verdict
    assert "LoRA that is never pruned ends -2.0 points from it: lower, so that" in verdict


def test_no_multiple_is_made_up_for_who_never_arrives() -> None:
    """One method that stays below the target has no time to it."""
    table = speed_table(3.0, [0.1, 0.2, 0.2, 0.2])
    fixed = next(row for row in table.rows if row[0] == "fixed")
    assert "-" == fixed[table.columns.index("time to it / FedSpine's")]
    assert "0 of 3" == fixed[6]
    assert "no multiple can be given" in table.verdict


def test_equal_times_are_no_difference() -> None:
    """The verdict does not round towards the paper."""
    assert "no difference is shown" in speed_table(2.0, [0.1, 0.5, 0.8, 0.9]).verdict


def test_contests_tune_every_learning_policy_and_tell_each_seed() -> None:
    """Whatever the policy, the oracle's regret is nothing and random's is not."""
    found = {
        policy: contest("stationary", policy, 24, [1, 2], 8)
        for policy in ("oracle", "random", "s-ucb")
    }
    assert [0.0, 0.0] == found["oracle"]["total"]
    assert all(len(one["total"]) == 2 for one in found.values())
    assert all(a < b for a, b in zip(found["s-ucb"]["early"], found["s-ucb"]["total"], strict=True))
    assert found["s-ucb"]["explore"] in EXPLORE
    assert tuned("stationary", "random", 24) == tuned("drift", "random", 24)


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_memory_of_a_step_is_within_a_tenth_of_the_model(ratio: float) -> None:
    """PyTorch's allocations, importance and the full base aside, against the cost model."""
    shape = shape_of(load_model("tiny-2:random", "", 2, 0))
    measured = trained_bytes("tiny-2:random", shape, 64, ratio)["peak"]
    modelled = training_bytes(work_of(shape, 64, Options(), Arm(ratio, 8)))
    assert pytest.approx(measured, rel=0.1) == modelled


def test_importance_needs_more_memory_than_lora_on_query_and_value() -> None:
    """That is where training memory rises: at ratio 0 by more than a tenth."""
    shape = shape_of(load_model("tiny-2:random", "", 2, 0))
    everywhere = trained_bytes("tiny-2:random", shape, 64, 0.0)["peak"]
    assert everywhere > 1.1 * query_value_bytes("tiny-2:random", 64)


def test_the_footprint_job_makes_a_table() -> None:
    """A row per ratio; FLOPs of inference at ratio 0.5 are half, the paper's memory stands by."""
    job = next(job for job in STUDY.jobs(SMOKE) if job.name.startswith("footprint/source-2"))
    made = tables([], {job.name: do_job(job)})
    table = next(t for t in made if t.title.startswith("Memory and work"))
    assert [0.0, 0.1, 0.3, 0.5] == [row[0] for row in table.rows]
    share = table.rows[-1][table.columns.index("inference FLOPs / unpruned")]
    assert pytest.approx(0.5, abs=0.02) == share
    assert "TRAINING MEMORY MAY RISE" in table.verdict
    assert "114.5 %" in table.paper
