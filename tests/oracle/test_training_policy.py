"""Tests of the exhaustive training policy: the yardstick of the others."""

from typing import Any, cast

import numpy as np
import pytest

from oracle.training_policy import ExhaustiveTraining, make
from platforms.application import Job
from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import Decision, Platform
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining
from platforms.training_work import load_training
from rm.evaluation.training.episode import TrainingSetup, run_training_episode
from rm.evaluation.training.rounds import RoundParameters
from rm.evaluation.workload import WorkloadParameters
from rm.planner.capability import modelled_capability
from rm.planner.plans import Limits
from rm.training.jobs import TrainingJobs
from rm.training.registry import TrainingContext, training_policy_factory

BOARD = load_board("hikey970")
PROFILES = find_applications(["parsec"])
TRAINING = load_training("transformer-6x256")
LIGHT = WorkloadParameters(arrivals=5, interarrival_s=12.0, shortest_work_s=10, longest_work_s=30)
SHORT = RoundParameters(
    first_s=2.0, pause_s=3.0, shortest_s=10.0, longest_s=20.0, highest_share=0.5
)


class Steered:
    """The board with applications and a job that has a round, and the policy that steers it."""

    def __init__(self, jobs: list[Job], *, samples: float, time_s: float) -> None:
        self.board = SimulatedBoard(
            BOARD,
            cooling=BOARD.cooling_named("fan"),
            rng=np.random.default_rng(0),
            jobs=jobs,
            training=[SimulatedTraining(id=1, name="job", works=TRAINING.works)],
        )
        self.board.advance_to(0.05)
        self.board.give_work(1, 1e9)
        self.jobs = TrainingJobs(BOARD)
        capability = modelled_capability(BOARD, TRAINING.works, TRAINING.curve)
        job_id = self.jobs.register(capability, name="job", now_s=0.05)
        self.jobs.begin_round(job_id, number=1, samples=samples, deadline_s=time_s, now_s=0.05)
        self.policy = ExhaustiveTraining(self.board, self.jobs, Limits(80.0))

    def decide(self) -> Decision:
        """A round in which migrations are due."""
        seen = self.board.observe()
        moves = self.policy.migrate(seen)
        opps = self.policy.scale(seen)
        decision = Decision(moves, opps, self.policy.train(seen))
        self.board.apply(decision)
        self.jobs.hand_out(decision.grants, self.board.now_s)
        return decision


def job(number: int, *, share: float = 0.3) -> Job:
    """An application with a target that a big core can meet."""
    profile = PROFILES[number % len(PROFILES)]
    big = BOARD.clusters[1]
    return Job(id=number, profile=profile, target_ips=share * profile.ips(big, big.freqs_hz[-1]))


@pytest.mark.parametrize("cooling", ["fan", "passive"])
def test_it_meets_targets_and_deadlines_within_the_limit(cooling: str) -> None:
    """A light load and rounds of at most half of what the board can do."""
    outcome = run_training_episode(
        TrainingSetup(
            board=BOARD,
            cooling=cooling,
            policy="exhaustive",
            seed=1,
            profiles=PROFILES,
            training=TRAINING,
            limit_c=55.0,
            workload=LIGHT,
            rounds=SHORT,
            duration_s=60.0,
        )
    )
    assert len(outcome.rounds) >= 3
    assert [] == [one for one in outcome.rounds if one.end_s is None]
    assert [] == [app for app in outcome.applications if app.missed]
    assert 0.0 == outcome.over_k


def test_a_round_that_needs_little_is_done_on_little_cores() -> None:
    """Slack is spent where it is cool."""
    steered = Steered([job(0)], samples=100.0, time_s=60.0)
    (grant,) = steered.decide().grants
    assert set(grant.cores) <= {0, 1, 2, 3}
    assert len(grant.cores) == 1


def test_it_decides_anew_only_for_a_reason() -> None:
    """The same situation and pace: the same decision, and no grant a second time."""
    steered = Steered([job(0), job(1)], samples=400.0, time_s=60.0)
    assert 1 == len(steered.decide().grants)
    before = steered.policy._decided
    steered.board.advance_to(0.55)
    (state,) = steered.board.training
    assert state.grant is not None
    steered.jobs.progress(1, samples=state.samples, now_s=0.55, setting=state.grant.setting)
    assert () == steered.decide().grants
    assert before is steered.policy._decided


def test_a_deadline_that_cannot_be_kept_is_told_at_once() -> None:
    """The outlook of the round says so."""
    steered = Steered([job(0)], samples=1e7, time_s=60.0)
    steered.decide()
    expected = steered.jobs.get(1, steered.board.now_s).outlook
    assert not expected.meets
    assert expected.finish_s > 60.0


def test_more_applications_than_it_can_search_make_training_pause() -> None:
    """They are governed by the policy oracle."""
    steered = Steered([job(number, share=0.1) for number in range(9)], samples=100.0, time_s=60.0)
    assert () == steered.decide().grants


def test_it_needs_a_simulated_board() -> None:
    """It reads what no sensor shows."""
    context = TrainingContext(BOARD, cast(Platform, object()), TrainingJobs(BOARD), Limits(80.0))
    with pytest.raises(InvalidInput, match="simulated board"):
        make(context)


def test_it_is_found_by_its_name() -> None:
    """As `ilgov evaluate` finds it."""
    factory: Any = training_policy_factory("exhaustive")
    assert factory is make
