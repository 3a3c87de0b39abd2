"""Tests of the study: what is run, how it is counted, and what the tables say of it."""

import msgspec
import pytest

from training.federated.compare.contestants import contestants
from training.federated.study import DEFAULT, SMOKE, Size
from training.federated.systems.mergesfl.experiment import Contest, Run, contest, play
from training.federated.systems.mergesfl.methods import METHODS
from training.federated.systems.mergesfl.selection_quality import selection_quality
from training.federated.systems.mergesfl.study import ALPHAS, RATES, MergeStudy, setup_of
from training.federated.systems.mergesfl.study_tables import difference, ratio, tables

TINY = Size(name="tiny", rounds=1, seeds=2, grid_points=1)


def run_of(seed: int, final: float, rounds_to: int | None) -> Run:
    """A run with this end."""
    return Run(
        seed=seed,
        final=final,
        validation=final,
        rounds_to=rounds_to,
        time_to_s=rounds_to and 2.0 * rounds_to,
        updates_to=rounds_to and 10.0 * rounds_to,
        bytes_to=rounds_to and 1e6 * rounds_to,
        waiting_share=0.25,
        participants=5.0,
        samples=900.0,
        divergence=None,
    )


def test_every_method_runs_at_both_skews() -> None:
    """Two scenes, and no two setups alike."""
    found = contestants(MergeStudy().setups(DEFAULT, 1))
    assert len(ALPHAS) * len(METHODS) == len(found)
    assert {"digits (alpha 1)", "digits (alpha 0.1)"} == {one.scene for one in found}


def test_methods_are_tuned_on_the_same_rates() -> None:
    """In the jobs as in the comparison."""
    jobs = [job for job in MergeStudy().jobs(DEFAULT) if "rates" in job.arguments]
    assert {tuple(RATES)} == {tuple(job.arguments["rates"]) for job in jobs}
    assert tuple(RATES) == MergeStudy().grid["learning_rate"]


def test_smoke_tunes_nothing() -> None:
    """One rate, so that it ends soon."""
    jobs = [job for job in MergeStudy().jobs(SMOKE) if "rates" in job.arguments]
    assert {1} == {len(job.arguments["rates"]) for job in jobs}


def test_tuning_takes_the_rate_that_is_best_on_validation() -> None:
    """0.0001 learns nothing in three rounds, 0.5 does."""
    setup = msgspec.to_builtins(setup_of("splitfed-v2", 10.0))
    found = msgspec.convert(contest(setup, [0.0001, 0.3], 0.0001, [1, 2], 3), Contest)
    assert 0.3 == found.rate
    assert found.validations[0] < found.validations[1]
    assert all(a.final < b.final for a, b in zip(found.equal, found.tuned, strict=True))
    assert [1, 2] == [run.seed for run in found.tuned]


def test_server_updates_are_counted_to_the_target() -> None:
    """Ten workers, ten steps: a hundred per round for copies and turns, ten merged."""
    copied = play(setup_of("splitfed-v2", 10.0), 0.2, 1, 6)
    merged = play(setup_of("merge-only", 10.0, line_bytes_per_s=0.0), 0.6, 1, 14)
    assert copied.rounds_to is not None
    assert 100.0 * copied.rounds_to == copied.updates_to
    assert merged.rounds_to is not None
    assert 10.0 * merged.rounds_to == merged.updates_to


def test_differences_and_ratios_are_taken_seed_by_seed() -> None:
    """A ratio says how many times the other one's cost is."""
    ours = [run_of(1, 0.9, 10), run_of(2, 0.8, 20)]
    theirs = [run_of(1, 0.8, 20), run_of(2, 0.7, 40)]
    assert 0.1 == pytest.approx(difference(ours, theirs).mean)
    found = ratio(ours, theirs, lambda run: run.rounds_to)
    assert found is not None
    assert 2.0 == pytest.approx(found.mean)


def test_there_is_no_ratio_unless_all_came_to_the_target() -> None:
    """A mean over the lucky seeds would flatter."""
    ours, theirs = [run_of(1, 0.9, 10), run_of(2, 0.8, None)], [run_of(1, 0.8, 20)] * 2
    assert None is ratio(ours, theirs, lambda run: run.rounds_to)
    assert None is ratio(theirs, ours, lambda run: run.rounds_to)


def test_tables_come_from_the_jobs_that_there_are() -> None:
    """A row per method, the comparison in words, and the paper's figures beside ours."""
    fast = Contest(
        rates=[0.1, 0.3],
        validations=[0.5, 0.9],
        rate=0.3,
        tuned=[run_of(1, 0.95, 10), run_of(2, 0.93, 10)],
        equal=[run_of(1, 0.7, None), run_of(2, 0.6, None)],
    )
    slow = msgspec.structs.replace(fast, tuned=[run_of(1, 0.95, 20), run_of(2, 0.93, 20)])
    jobs = {
        "skew/0.1/merge-only": msgspec.to_builtins(fast),
        "skew/0.1/splitfed-v1": msgspec.to_builtins(slow),
        "selection/0.1": selection_quality(0.1, 3),
    }
    tuned, equal, pairs, rates, selection = tables(jobs)
    assert ["merge-only", "splitfed-v1"] == [row[0] for row in tuned.rows]
    assert "0 of 2" == equal.rows[0][3]
    assert 0.1 == equal.rows[0][1]
    assert "rounds 2.00× [2.00, 2.00]" in pairs.verdict
    assert ("merge-only", "50.0", "90.0", 0.3) == rates.rows[0]
    assert {"brute force", "genetic", "greedy", "random"} == {row[1] for row in selection.rows}
    assert "1.74 to 4.14" in tuned.paper


def test_every_job_can_be_done_and_tabled() -> None:
    """All methods and clocks, for two rounds each with one seed."""
    from training.federated.compare.play import do_job

    jobs = MergeStudy().jobs(msgspec.structs.replace(TINY, seeds=1))
    kept = [job for job in jobs if not job.name.startswith("skew/1/")]
    results = {job.name: do_job(job) for job in kept}
    found = MergeStudy().tables(TINY, (), results)
    assert 4 + 2 + 1 == len(found)
    assert all(len(row) == len(table.columns) for table in found for row in table.rows)
