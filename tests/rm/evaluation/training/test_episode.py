"""Whole episodes with training on the simulated board: short ones, as an evaluation runs them."""

import pytest
from msgspec.structs import replace

from platforms.application_file import find_applications
from platforms.training_work import load_training
from rm.evaluation.training.episode import TrainingSetup, draw, run_training_episode
from rm.evaluation.training.outcome import TrainingOutcome
from rm.evaluation.training.rounds import RoundParameters
from rm.evaluation.workload import WorkloadParameters
from tests.rm.readings import HIKEY

SETUP = TrainingSetup(
    board=HIKEY,
    cooling="fan",
    policy="nice",
    seed=3,
    profiles=find_applications(["parsec"]),
    training=load_training("tiny-4"),
    limit_c=40.0,
    workload=WorkloadParameters(arrivals=3, interarrival_s=5.0),
    rounds=RoundParameters(first_s=2.0, pause_s=2.0, shortest_s=8.0, longest_s=10.0),
    duration_s=40.0,
)


@pytest.fixture(scope="module")
def nice() -> TrainingOutcome:
    """Training in the background of the stock scheduler."""
    return run_training_episode(SETUP)


def test_an_episode_is_the_same_whenever_it_is_run(nice: TrainingOutcome) -> None:
    """Everything in it is drawn from the seed."""
    assert nice == run_training_episode(SETUP)


def test_rounds_and_applications_are_the_same_whatever_the_policy(nice: TrainingOutcome) -> None:
    """What differs is what came of them."""
    none = run_training_episode(replace(SETUP, policy="none"))
    for name in ("number", "start_s", "deadline_s", "samples"):
        theirs = [getattr(item, name) for item in nice.rounds]
        assert theirs == [getattr(item, name) for item in none.rounds]
    assert [(app.id, app.target_ips) for app in nice.applications] == [
        (app.id, app.target_ips) for app in none.applications
    ]
    assert all(item.missed for item in none.rounds)
    assert (0.0, 0.0, None) == (none.samples, none.reference_samples, none.samples_to_target)
    assert none.mean_temp_c < nice.mean_temp_c
    assert none.energy_j < nice.energy_j


def test_what_was_trained_is_what_the_rounds_say(nice: TrainingOutcome) -> None:
    """With the reference setting a sample is a reference sample."""
    done = sum(item.done_samples for item in nice.rounds)
    assert done == pytest.approx(nice.reference_samples) == pytest.approx(nice.samples)
    assert sum(item.done_samples for item in nice.rounds if item.missed) == nice.lost_samples
    assert any(not item.missed for item in nice.rounds)
    assert SETUP.training.curve is not None
    assert SETUP.training.curve.to_goal(16) == pytest.approx(nice.samples_to_target)


def test_the_timeline_shows_where_training_runs_and_how_far_above_the_limit(
    nice: TrainingOutcome,
) -> None:
    """Between two rounds nothing trains."""
    training = {(moment.setting, moment.cores) for moment in nice.timeline}
    assert {(-1, ()), (0, tuple(range(8)))} == training
    hottest_c = max(moment.peak_temp_c for moment in nice.timeline)
    assert nice.peak_temp_c >= hottest_c
    over_k = run_training_episode(replace(SETUP, limit_c=hottest_c - 1.0)).over_k
    assert 1.0 <= over_k < 2.0


def test_the_truth_is_off_what_the_job_declares() -> None:
    """As applications are off their profiles; without variation it is not."""
    drawn = draw(SETUP)
    assert SETUP.training.works != drawn.training.works
    same = draw(replace(SETUP, workload=WorkloadParameters(arrivals=3, variation=0.0)))
    assert SETUP.training.works == same.training.works
    assert drawn.capability == same.capability


@pytest.mark.parametrize(
    "policy", ["ilgov", "nice-tuned", "pinned-little", "pinned-big", "frequency-cap", "swan"]
)
def test_every_policy_trains(policy: str) -> None:
    """Some round at least is done, and the foreground lives."""
    outcome = run_training_episode(replace(SETUP, policy=policy, cooling="passive", limit_c=65.0))
    assert any(not item.missed for item in outcome.rounds)
    assert all(app.achieved_ips > 0 for app in outcome.applications)
